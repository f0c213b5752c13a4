//! Sandboxes of two small services, one of which calls the other.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, routing::get};
use runtime::{
    Boot, BoxFuture, Checked, Clock, Context, ContractError, Fault, Finding, Launch, Module,
    Needed, Provided, Router, StartError, Unrecognised, async_trait, service,
};
use serde::{Deserialize, Serialize};
use testkit::{Composition, Sandbox, Shape};
use utoipa::ToSchema;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Ask {}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Told {
    year: i16,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
enum AlmanacError {
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for AlmanacError {}

#[service("almanac")]
trait Almanac {
    /// Which year it is.
    #[idempotent]
    async fn year(&self, cx: &Context, request: Ask) -> Result<Told, AlmanacError>;
}

struct ByClock(Arc<dyn Clock>);

#[async_trait]
impl Almanac for ByClock {
    async fn year(&self, _cx: &Context, _request: Ask) -> Result<Told, AlmanacError> {
        Ok(Told { year: self.0.now().to_zoned(jiff::tz::TimeZone::UTC).year() })
    }
}

const ALMANAC_MODULE: Module = Module {
    name: "almanac",
    about: "the year",
    prefixes: &["/v1/almanac"],
    provides: &[Provided::of::<dyn Almanac>()],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_almanac,
};
static ALMANAC: Module = ALMANAC_MODULE;

fn start_almanac(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        boot.provide::<dyn Almanac>(Arc::new(ByClock(boot.clock())));
        Ok(())
    })
}

static DESK: Module = Module {
    name: "desk",
    about: "tells people the year",
    prefixes: &["/v1/years"],
    provides: &[],
    requires: &[Needed::of::<dyn Almanac>(&["year"])],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_desk,
};

fn start_desk(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        let (almanac, context) = (boot.client::<dyn Almanac>()?, boot.context());
        let routes = Router::new().route("/v1/years/present", get(tell));
        boot.public(routes.with_state((almanac, context)));
        Ok(())
    })
}

async fn tell(
    State((almanac, context)): State<(Arc<dyn Almanac>, Context)>,
) -> Result<String, StatusCode> {
    match almanac.year(&context, Ask {}).await {
        Ok(told) => Ok(told.year.to_string()),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

static MODULES: &[&Module] = &[&ALMANAC, &DESK];

const TOY: Composition =
    Composition { modules: MODULES, sections: &[], launch: |config| Launch::new(config, MODULES) };

async fn year(sandbox: &Sandbox) -> String {
    let client = sandbox.client().at(sandbox.node("desk").public_url());
    client.get("/v1/years/present").await.expect(200).text()
}

#[tokio::test]
async fn a_monolith_is_one_node() {
    let sandbox = Sandbox::builder(TOY).start().await;
    assert_eq!(sandbox.nodes().len(), 1);
    assert_eq!(year(&sandbox).await.len(), 4);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_nodes_of_a_split_reach_each_other() {
    let sandbox = Sandbox::builder(TOY).shape(Shape::Split).start().await;
    let names: Vec<&str> = sandbox.nodes().iter().map(testkit::Node::name).collect();
    assert_eq!(names, ["almanac", "desk"]);
    assert_eq!(year(&sandbox).await.len(), 4);
    sandbox.stop().await;
}

#[tokio::test]
async fn each_group_has_as_many_replicas_as_were_asked_for_and_all_know_each_other() {
    let sandbox = Sandbox::builder(TOY).shape(Shape::Split).replicas(2).start().await;
    let names: Vec<&str> = sandbox.nodes().iter().map(testkit::Node::name).collect();
    assert_eq!(names, ["almanac", "almanac-2", "desk", "desk-2"]);
    sandbox.node("almanac").crash().await;
    for desk in sandbox.nodes_of("desk") {
        let client = sandbox.client().at(desk.public_url());
        testkit::eventually("the other almanac to answer", || async {
            client.get("/v1/years/present").await.status().is_success()
        })
        .await;
    }
}

#[tokio::test]
async fn one_group_may_have_more_replicas_than_the_others() {
    let builder = Sandbox::builder(TOY).shape(Shape::Split).replicas_of("almanac", 2);
    let sandbox = builder.start().await;
    let names: Vec<&str> = sandbox.nodes().iter().map(testkit::Node::name).collect();
    assert_eq!(names, ["almanac", "almanac-2", "desk"]);
}

#[tokio::test]
async fn all_nodes_go_by_one_clock_that_the_test_moves() {
    let sandbox = Sandbox::builder(TOY).start().await;
    sandbox.clock().set("2050-06-01T12:00:00Z".parse().unwrap());
    assert_eq!(year(&sandbox).await, "2050");
}

#[tokio::test]
async fn a_node_that_crashed_comes_back_in_the_same_place() {
    let sandbox = Sandbox::builder(TOY).shape(Shape::Split).start().await;
    let almanac = sandbox.node("almanac");
    almanac.crash().await;
    let client = sandbox.client().at(sandbox.node("desk").public_url());
    let _refused = client.get("/v1/years/present").await.expect(502);
    almanac.restart().await;
    testkit::eventually("the desk to reach the almanac again", || async {
        client.get("/v1/years/present").await.status().is_success()
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "desk is in 0 groups of the sandbox, not in one")]
async fn a_service_that_is_in_no_group_is_noticed() {
    let groups = Shape::Groups(vec![vec!["almanac"]]);
    let _sandbox = Sandbox::builder(TOY).shape(groups).start().await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "ledger: sums: sum 1: is 4, and should be 5")]
async fn what_the_standing_check_finds_fails_the_test_that_ends() {
    static LEDGER: Module = Module {
        name: "ledger",
        provides: &[],
        start: |boot| {
            Box::pin(async {
                boot.check("sums", || {
                    let finding = Finding::new("sum 1", "is 4, and should be 5");
                    Box::pin(async { Ok(Checked { looked_at: 1, findings: vec![finding] }) })
                });
                Ok(())
            })
        },
        ..ALMANAC_MODULE
    };
    static MODULES: &[&Module] = &[&LEDGER];
    let composition = Composition {
        modules: MODULES,
        sections: &[],
        launch: |config| Launch::new(config, MODULES),
    };
    drop(Sandbox::builder(composition).start().await);
}

//! Identity as other services know it, in the same process and in another: who somebody is, whose
//! tokens are good, and who is new.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::extract::State;
use bus::{BusSettings, Delivered, HandlerError};
use contracts::identity::{AdmitGuest, FindUser, Identity, IdentityError, IdentityEvent};
use edge::{EdgeSettings, Json, Path, Problem, Routes, routes, token::TokenKeys};
use runtime::{
    Boot, BoxFuture, Config, Context, Launch, Module, Needed, SectionSpec, StartError, async_trait,
};
use serde_json::{Value, json};
use store::{Committer, DatabaseSettings, Schema, Work, sqlx::migrate::Migrator};
use testkit::{Composition, Sandbox, Shape, eventually};
use uuid::Uuid;

static MODULES: &[&Module] = &[&identity::MODULE, &DESK];
static SECTIONS: &[SectionSpec] = &[
    SectionSpec::of::<EdgeSettings>(),
    SectionSpec::of::<DatabaseSettings>(),
    SectionSpec::of::<BusSettings>(),
];
static COMPOSITION: Composition = Composition { modules: MODULES, sections: SECTIONS, launch };

fn launch(config: Config) -> Launch {
    Launch::new(config, MODULES)
        .public_stack(edge::public_stack)
        .extension(Arc::new(bus::Hub::new()))
}

/// A neighbour that tells what it learns from identity.
static DESK: Module = Module {
    name: "desk",
    about: "who is who",
    prefixes: &["/v1/desk"],
    provides: &[],
    requires: &[
        Needed::of::<dyn Identity>(&["user", "admit_guest"]),
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
    ],
    publishes: &[],
    consumes: &["identity.user_registered"],
    settings: None,
    schema: Some(&SCHEMA),
    views: None,
    openapi: || edge::openapi::describe("desk", http(), &[]),
    start: start_desk,
};

static SCHEMA: Schema = Schema::new("desk", Migrator::DEFAULT, Migrator::DEFAULT);

#[derive(Clone)]
struct Desk {
    identity: Arc<dyn Identity>,
    newcomers: Arc<Mutex<BTreeSet<Uuid>>>,
}

fn start_desk(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async move {
        let database = store::open(boot, &SCHEMA).await?;
        let committer = Committer::start(boot, &database);
        let desk = Desk { identity: boot.client::<dyn Identity>()?, newcomers: Arc::default() };
        bus::subscribe::<IdentityEvent>(boot, &committer, "desk", desk.clone())?;
        boot.public(http().with_state(desk).into());
        Ok(())
    })
}

#[async_trait]
impl bus::Handler<IdentityEvent> for Desk {
    async fn handle(
        &self,
        _work: &mut Work<'_>,
        event: &Delivered<IdentityEvent>,
    ) -> Result<(), HandlerError> {
        if let IdentityEvent::UserRegistered { user_id } = event.event {
            self.newcomers.lock().unwrap_or_else(PoisonError::into_inner).insert(user_id);
        }
        Ok(())
    }
}

fn http() -> Routes<Desk> {
    Routes::default().routes(routes!(ask)).routes(routes!(admit))
}

/// Lets a guest in.
#[utoipa::path(
    post, path = "/v1/desk/guests/{guest_id}", params(("guest_id" = Uuid, Path)),
    responses((status = 200)),
)]
async fn admit(
    State(desk): State<Desk>,
    cx: Context,
    Path(guest_id): Path<Uuid>,
) -> Result<Json<Value>, Problem> {
    let admitted = desk.identity.admit_guest(&cx, AdmitGuest { guest_id }).await;
    Ok(Json(json!(admitted.map_err(Problem::internal)?)))
}

/// What the desk knows of an account, and identity too.
#[utoipa::path(
    get, path = "/v1/desk/{user_id}", params(("user_id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 200)),
)]
async fn ask(
    State(desk): State<Desk>,
    cx: Context,
    Path(user_id): Path<Uuid>,
) -> Result<Json<Value>, Problem> {
    edge::user(&cx)?;
    let is_newcomer =
        desk.newcomers.lock().unwrap_or_else(PoisonError::into_inner).contains(&user_id);
    let answer = match desk.identity.user(&cx, FindUser { user_id }).await {
        Ok(user) => json!({ "user": user, "is_newcomer": is_newcomer }),
        Err(error @ IdentityError::UserUnknown { .. }) => json!({ "error": error }),
        Err(error) => return Err(Problem::internal(error)),
    };
    Ok(Json(answer))
}

async fn a_neighbour_knows_who_is_who(shape: Shape) {
    let sandbox = Sandbox::builder(COMPOSITION)
        .shape(shape)
        .setting("identity.password.memory_kib", "8")
        .start()
        .await;
    let identity = sandbox.client().at(sandbox.node("identity").public_url());
    let ada = identity.register("Ada@example.org", "correct horse battery staple").await;
    let id = ada.get("/v1/auth/me").await.expect(200).field("id");

    let desk = ada.at(sandbox.node("desk").public_url());
    let path = format!("/v1/desk/{id}");
    eventually("the desk to hear of the newcomer", || async {
        let told = desk.get(&path).await.expect(200).value();
        let expected = json!({
            "user": {
                "user_id": id,
                "email": "ada@example.org",
                "name": "Ada@example.org",
                "roles": ["customer"],
            },
            "is_newcomer": true,
        });
        if told == expected { Ok(()) } else { Err(told.to_string()) }
    })
    .await;

    let nobody = "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c0de";
    let told = desk.get(&format!("/v1/desk/{nobody}")).await.expect(200).value();
    assert_eq!(told, json!({ "error": { "code": "user_unknown", "user_id": nobody } }));
    let forged = desk.with_token("not.a.token").get(&path).await;
    let _refused = forged.expect_problem(401, "unauthenticated");

    let admitted = desk.post(&format!("/v1/desk/guests/{nobody}"), &json!({})).await.expect(200);
    let guest = desk.with_token(admitted.field("access_token"));
    let _answered = guest.get(&path).await.expect(200);
    let guest = identity.with_token(admitted.field("access_token"));
    for wanted in ["/v1/auth/me", "/v1/users/me"] {
        let _refused = guest.get(wanted).await.expect_problem(403, "account-needed");
    }
    let logout = guest.post("/v1/auth/logout", &json!({})).await;
    let _refused = logout.expect_problem(403, "account-needed");
    let password = json!({ "old_password": "any at all", "new_password": "another, long one" });
    let change = guest.put("/v1/users/me/password", &password).await;
    let _refused = change.expect_problem(403, "account-needed");
    let sessions = guest.delete(&format!("/v1/users/{nobody}/sessions")).await;
    let _refused = sessions.expect_problem(404, "not-found");
    let _refused = guest.get("/v1/users").await.expect_problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_same_process() {
    a_neighbour_knows_who_is_who(Shape::Monolith).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_another_process() {
    let apart = Shape::Groups(vec![vec!["identity"], vec!["desk"]]);
    a_neighbour_knows_who_is_who(apart).await;
}

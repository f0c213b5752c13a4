//! What a module tells of itself while it does its work: degraded is not unready.

use axum::http::StatusCode;
use runtime::{Launch, Module, Standing};
use serde_json::json;

use crate::support::{PLAIN, config, get_json};

static LEANING: Module = Module {
    name: "leaning",
    start: |boot| {
        Box::pin(async {
            boot.standing("cache", || {
                let away = Standing::degraded("the cache is away: everything is read anew");
                Box::pin(async { away.with_details(json!({"kind": "redis"})) })
            });
            boot.standing("relay", || {
                Box::pin(async { Standing::good().with_details(json!({"lag": 3})) })
            });
            boot.standing("silent", || Box::pin(std::future::pending()));
            boot.standing("plain", || Box::pin(async { Standing::good() }));
            Ok(())
        })
    },
    ..PLAIN
};
static MODULES: &[&Module] = &[&LEANING];

#[tokio::test]
async fn what_is_degraded_is_told_and_makes_nothing_unready() {
    let node = Launch::new(config(""), MODULES).start().await.unwrap();
    let (status, report) = get_json(node.admin_addr(), "/readyz").await;
    assert_eq!(status, StatusCode::OK);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    {
      "degraded": [
        "leaning: the cache is away: everything is read anew",
        "leaning: silent did not answer within 1s"
      ],
      "details": {},
      "modules": {
        "leaning": {
          "degraded": [
            "the cache is away: everything is read anew",
            "silent did not answer within 1s"
          ],
          "details": {
            "cache": {
              "kind": "redis"
            },
            "relay": {
              "lag": 3
            }
          },
          "ready": true,
          "reasons": []
        }
      },
      "ready": true,
      "reasons": []
    }
    "#);
    node.stop().await;
}

#[tokio::test]
async fn what_all_modules_stand_on_is_told_once() {
    static PLAIN_ONE: Module = Module { name: "plain", ..PLAIN };
    static PLAIN_ALONE: &[&Module] = &[&PLAIN_ONE];
    let launch = Launch::new(config(""), PLAIN_ALONE).public_stack(|routes, inputs| {
        inputs.standing("cache", || {
            let away = Standing::degraded("Redis is away");
            Box::pin(async { away.with_details(json!({"kind": "redis"})) })
        });
        Ok(routes)
    });
    let node = launch.start().await.unwrap();
    let report = node.readiness().await;
    assert!(report.ready);
    assert_eq!(report.degraded, ["Redis is away"]);
    assert_eq!(report.details.get("cache"), Some(&json!({"kind": "redis"})));
    node.stop().await;
}

//! Orchestration.

use axum::http::Method;
use serde_json::json;

use super::request::{Answer, Call, Outcome, Refusal};
use super::world::World;

pub(super) fn handle(_: &mut World, call: &Call) -> Outcome {
    match (&call.method, call.path.len()) {
        (&Method::GET, 0) => Ok(Answer::json(
            300,
            json!({"versions": [{"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": format!("{}/v1/", call.base)}]}]}),
        )),
        _ => Err(Refusal::unserved()),
    }
}

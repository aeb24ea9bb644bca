//! The stops of the tour at Heat.

use harness::until_some;
use serde_json::{Value, json};

use super::{Tour, id};

impl Tour<'_> {
    fn stack(&mut self, path: &str, state: &str) {
        until_some(90, &format!("{path} to be {state}"), || {
            let found = self.api.get("orchestration", path);
            let now = found.body["stack"]["stack_status"]
                .as_str()
                .unwrap_or_default();
            assert!(!now.ends_with("FAILED"), "{found:?}");
            (now == state).then_some(())
        });
    }

    pub(super) fn stacks(&mut self) {
        let heat = "orchestration";
        let template = "heat_template_version: 2016-10-14\nparameters:\n  with: {type: number, default: 0}\n  \
            word: {type: string, default: one}\n  secret: {type: string, hidden: true, default: x}\n\
            conditions: {more: {equals: [{get_param: with}, 1]}}\nresources:\n  \
            net: {type: OS::Neutron::Net}\n  \
            value: {type: OS::Heat::Value, properties: {value: {get_param: word}}}\n  \
            group: {type: OS::Neutron::SecurityGroup, condition: more, properties: {rules: [{protocol: tcp, port_range_min: 80, port_range_max: 80}]}}\n\
            outputs:\n  net: {value: {get_resource: net}}\n  word: {description: d, value: {get_attr: [value, value]}}\n";
        let asked = json!({"stack_name": "tour", "template": template, "parameters": {}, "disable_rollback": true,
            "tags": "a,b", "timeout_mins": 5});
        for (name, key, value) in [
            ("stack of no template", "template", json!("a: b")),
            (
                "stack of an unknown parameter",
                "parameters",
                json!({"nope": 1}),
            ),
            ("stack of a bad name", "stack_name", json!("1 2")),
        ] {
            let mut bad = asked.clone();
            bad[key] = value;
            self.post(name, heat, "/stacks", &bad, 400);
        }
        self.get("no stack", heat, "/stacks/nope", 404);
        self.post("stack previewed", heat, "/stacks/preview", &asked, 200);
        let made = self.post("stack", heat, "/stacks", &asked, 201);
        let path = format!("/stacks/tour/{}", id(&made["stack"]));
        self.post("stack again", heat, "/stacks", &asked, 409);
        self.get("stack by its name", heat, "/stacks/tour", 302);
        self.stack(&path, "CREATE_COMPLETE");
        let shown = self.get("stack shown", heat, &path, 200);
        assert_eq!(shown["stack"]["parameters"]["secret"], "******");
        assert_eq!(shown["stack"]["tags"], json!(["a", "b"]));
        self.get("stacks", heat, "/stacks", 200);
        self.get("resources", heat, &format!("{path}/resources"), 200);
        self.get("resource", heat, &format!("{path}/resources/net"), 200);
        self.get("no resource", heat, &format!("{path}/resources/nope"), 404);
        self.get("events", heat, &format!("{path}/events?sort_dir=asc"), 200);
        self.get("outputs", heat, &format!("{path}/outputs"), 200);
        self.get("output", heat, &format!("{path}/outputs/word"), 200);
        self.get("no output", heat, &format!("{path}/outputs/nope"), 404);
        self.get("template", heat, &format!("{path}/template"), 200);
        let patch = json!({"existing": true, "parameters": {"with": 1, "word": "two"}});
        let answer = self
            .api
            .call("PATCH", heat, &format!("{path}/preview"), &patch);
        let found = self.stop("update previewed", answer, 200);
        let named = |kind: &str| found["resource_changes"][kind][0]["resource_name"].clone();
        assert_eq!(
            (named("added"), named("updated")),
            (json!("group"), json!("value"))
        );
        let answer = self.api.call("PATCH", heat, &path, &patch);
        self.stop("stack updated", answer, 202);
        self.stack(&path, "UPDATE_COMPLETE");
        let bad = json!({"existing": true, "parameters": {"nope": 1}});
        let answer = self.api.call("PATCH", heat, &path, &bad);
        // Over the existing ones it is not refused, and forgotten.
        self.stop("update with an unknown parameter", answer, 202);
        self.stack(&path, "UPDATE_COMPLETE");
        let shown = self.get("stack after that", heat, &path, 200);
        assert_eq!(shown["stack"]["parameters"]["nope"], Value::Null);
        self.delete("stack deleted", heat, &path, 204);
        until_some(90, "the stack to be gone", || {
            let found = self.api.get(heat, &path);
            let status = &found.body["stack"]["stack_status"];
            (found.status == 404 || status == "DELETE_COMPLETE").then_some(())
        });
        self.get("no such stack any more", heat, "/stacks/tour", 404);
    }
}

//! Repeats, pages, and typed answers, over any [`Cloud`].

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Answer, BoxedAsyncRead, Call, Cloud, Fault, OpenStack, Result, Selection, retry};
use crate::error::{self, Error, Kind};

/// Pages of one list; a service that never ends is not believed.
const PAGES: usize = 1000;

/// A cloud to work with.
pub struct Client {
    cloud: Box<dyn Cloud>,
}

impl Client {
    /// Over this cloud.
    pub fn new(cloud: Box<dyn Cloud>) -> Self {
        Self { cloud }
    }

    /// The cloud that options, clouds.yaml and the environment mean; we are known to its Keystone afterwards.
    pub async fn connect(selection: &Selection) -> error::Result<Self> {
        let settings = selection.read()?;
        Ok(Self::new(Box::new(OpenStack::connect(settings).await?)))
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        self.cloud.name()
    }

    /// The project's id and name.
    pub fn project(&self) -> Option<(String, String)> {
        self.cloud.project()
    }

    /// Refuses what was begun in another project.
    pub fn must_be_in(&self, before: &str) -> error::Result<()> {
        let project = self.project().map(|(id, _)| id).unwrap_or_default();
        if project == before {
            return Ok(());
        }
        let text = format!("it was begun in project {before}, and this is project {project}");
        Err(Error::new(Kind::Refused, text).hint("source the openrc that it was begun with"))
    }

    /// Whether we came with an application credential.
    pub fn is_application_credential(&self) -> bool {
        self.cloud.is_application_credential()
    }

    /// Sends a call until it succeeds, or until there is no use in repeating it.
    pub async fn send(&self, call: &Call) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            let fault = match self.cloud.send(call).await {
                Ok(answer) if answer.is_good() => return Ok(answer),
                Ok(answer) => Fault::of(call, &answer),
                Err(fault) => fault,
            };
            let Some(delay) = retry::again(call, &fault, attempt, noise()) else {
                return Err(fault);
            };
            tracing::info!(%fault, attempt, delay = delay.as_secs_f64(), "Asking again.");
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    /// Sends a call once, with a streamed body.
    pub async fn upload(&self, call: &Call, body: BoxedAsyncRead) -> Result<Answer> {
        let answer = self.cloud.upload(call, body).await?;
        if answer.is_good() {
            return Ok(answer);
        }
        Err(Fault::of(call, &answer))
    }

    /// What is under a key of the answer; the whole answer if the key is empty.
    pub async fn ask<T: DeserializeOwned>(&self, call: &Call, key: &str) -> Result<T> {
        let mut answer = self.send(call).await?;
        let value = match key {
            "" => answer.body,
            key => answer
                .body
                .get_mut(key)
                .map(Value::take)
                .unwrap_or_default(),
        };
        serde_json::from_value(value).map_err(|e| Fault::garbled(call, e))
    }

    /// The same, or `None` if there is no such thing.
    pub async fn find<T: DeserializeOwned>(&self, call: &Call, key: &str) -> Result<Option<T>> {
        match self.ask(call, key).await {
            Ok(found) => Ok(Some(found)),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Removes; what is gone already is as good as removed. Says whether it was there.
    pub async fn remove(&self, call: &Call) -> Result<bool> {
        match self.send(call).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_not_found() => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// A whole list, page by page.
    pub async fn list<T: DeserializeOwned>(&self, call: Call, key: &str) -> Result<Vec<T>> {
        let mut call = call;
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let mut answer = self.send(&call).await?;
            let more = has_more(&answer.body, key);
            let page = answer.body.get_mut(key).map(Value::take);
            let Some(Value::Array(page)) = page else {
                return Err(Fault::garbled(&call, format!("it has no list \"{key}\"")));
            };
            let last = page.last().and_then(marker);
            for item in page {
                all.push(serde_json::from_value(item).map_err(|e| Fault::garbled(&call, e))?);
            }
            let Some(last) = last.filter(|_| more) else {
                return Ok(all);
            };
            call.query.retain(|(name, _)| name != "marker");
            call.query.push(("marker".into(), last));
        }
        Err(Fault::garbled(&call, "its pages do not end"))
    }
}

/// Whether a page says that another follows: `servers_links`, or Glance's `next`.
fn has_more(body: &Value, key: &str) -> bool {
    if body.get("next").is_some_and(Value::is_string) {
        return true;
    }
    let links = body.get(format!("{key}_links")).and_then(Value::as_array);
    links.is_some_and(|links| links.iter().any(|link| link["rel"] == "next"))
}

/// What a list goes on from: an id, or a keypair's name.
fn marker(item: &Value) -> Option<String> {
    let inner = item.get("keypair").unwrap_or(item);
    let word = inner.get("id").or_else(|| inner.get("name"))?;
    word.as_str().map(str::to_owned)
}

/// A number between 0 and 1.
fn noise() -> f64 {
    let mut byte = [127];
    // Without randomness everybody waits equally long, which is no reason to stop.
    getrandom::fill(&mut byte).ok();
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use serde_json::json;

    use super::super::{Pending, Service};
    use super::*;

    type Calls = Rc<RefCell<Vec<Call>>>;

    /// A cloud that says what it was told to say.
    struct Script(RefCell<VecDeque<Result<Answer>>>, Calls);

    impl Cloud for Script {
        fn name(&self) -> &str {
            "script"
        }

        fn project(&self) -> Option<(String, String)> {
            None
        }

        fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Answer> {
            self.1.borrow_mut().push(call.clone());
            let answer = self.0.borrow_mut().pop_front();
            Box::pin(async move { answer.expect("one answer more") })
        }

        fn upload<'a>(&'a self, call: &'a Call, _: BoxedAsyncRead) -> Pending<'a, Answer> {
            self.send(call)
        }
    }

    fn client(answers: Vec<(u16, Value)>) -> (Client, Calls) {
        let answers = answers
            .into_iter()
            .map(|(status, body)| {
                Ok(Answer {
                    status,
                    body,
                    ..Answer::default()
                })
            })
            .collect();
        let calls = Calls::default();
        let script = Script(RefCell::new(answers), calls.clone());
        (Client::new(Box::new(script)), calls)
    }

    #[tokio::test]
    async fn pages_follow_each_other() {
        let next = json!([{"rel": "next", "href": "http://ignored"}]);
        let (client, calls) = client(vec![
            (
                200,
                json!({"servers": [{"id": "a"}, {"id": "b"}], "servers_links": next}),
            ),
            (200, json!({"servers": [{"id": "c"}]})),
        ]);
        let call = Call::get(Service::Compute, &["servers", "detail"]);
        let all: Vec<Value> = client.list(call, "servers").await.unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(
            calls.borrow()[1].query,
            [("marker".to_owned(), "b".to_owned())]
        );
    }

    #[tokio::test]
    async fn a_question_outlives_a_restart_and_a_creation_does_not_happen_twice() {
        let down = || (503, json!({"message": "starting"}));
        let (client, calls) = client(vec![down(), down(), (200, json!({"x": 1})), down()]);
        let get = Call::get(Service::Image, &["x"]);
        assert_eq!(client.ask::<u8>(&get, "x").await.unwrap(), 1);
        assert_eq!(calls.borrow().len(), 3);
        let post = Call::post(Service::Image, &["x"], Value::Null);
        assert_eq!(client.send(&post).await.unwrap_err().status, Some(503));
    }

    #[tokio::test]
    async fn what_is_gone_is_removed() {
        let (client, _) = client(vec![(204, Value::Null), (404, Value::Null)]);
        let call = Call::delete(Service::Network, &["ports", "p"]);
        assert!(client.remove(&call).await.unwrap());
        assert!(!client.remove(&call).await.unwrap());
    }
}

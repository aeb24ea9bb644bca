//! A short acquaintance: authenticated over a pool, able to ask, listening to nothing. For looks at a master
//! whose publications nobody wants yet.

use std::sync::Arc;

use salt_wire::channel::handshake::{Handshake, Ticket};
use salt_wire::channel::request::Requests;
use salt_wire::crypto::OsRandom;
use salt_wire::error::Reason;
use tokio::sync::watch;

use super::beside::{Answer, ask_in};
use super::client::{Live, Renewal};
use super::{Client, Credentials, Options, Patience, Trouble, told};
use crate::transport::Pool;

/// Asks to be let in once, and gives what can be asked with.
pub async fn introduce(
    name: &str,
    pool: Arc<Pool>,
    credentials: Arc<dyn Credentials>,
    options: &Options,
) -> Result<(Client, Box<Ticket>), Trouble> {
    let unusable = |detail: String| Trouble {
        reason: Reason::KeysUnusable,
        detail,
    };
    let asked = credentials.clone();
    let terms = tokio::task::spawn_blocking(move || asked.terms())
        .await
        .map_err(|e| unusable(e.to_string()))??;
    let (id, key) = (terms.id.clone(), terms.key.clone());
    let handshake = Handshake::new(terms, &mut OsRandom);
    let (_, answer) = ask_in(pool.clone(), handshake, options.auth_timeout, false).await;
    let ticket = match answer {
        Answer::In(ticket) => ticket,
        Answer::Pending(trouble) | Answer::No(trouble) | Answer::Silence(trouble) => {
            return Err(trouble);
        }
        Answer::Distrusted(trouble, distrust) => {
            let advice = credentials.advice(&distrust);
            let detail = format!("{}; {advice}", trouble.detail);
            return Err(Trouble { detail, ..trouble });
        }
    };
    let keys = Requests::new(&id, &key, &ticket, options.sign, &mut OsRandom)
        .map_err(|e| unusable(told(&e)))?;
    let live = Live {
        pool,
        keys,
        generation: 1,
    };
    // Nobody renews these keys: they live as long as the look.
    let (_, live) = watch::channel(Some(live));
    let patience = Patience {
        timeout: options.request_timeout,
        tries: options.request_tries,
    };
    let client = Client::new(name, live, Renewal::default(), Arc::default(), patience);
    Ok((client, ticket))
}

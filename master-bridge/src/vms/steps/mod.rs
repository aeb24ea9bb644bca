//! The effects: each found, applied, undone. A step that only waits or looks has nothing to find or to undo.

mod address;
mod console;
mod enrol;
mod image;
mod import;
mod keys;
mod minion;
mod mount;
mod probe;
mod server;
mod stack;
pub(super) mod thing;

use std::time::Duration;

use serde_json::Value;

use super::World;
use crate::error::Result;
use crate::plan::CloudStep;
use crate::plan::cloud::What;

/// Did it happen before we were interrupted? What it made, then.
pub(super) async fn find(world: &mut World<'_>, step: &CloudStep) -> Result<Option<Value>> {
    match &step.what {
        What::Claim { server, .. } => server::find_claim(world, server).await,
        What::Server { .. } => server::find(world, &step.key).await,
        What::Accept {
            announced, minion, ..
        } => keys::find(world, minion, announced).await,
        What::Enrol { server, minion, .. } => enrol::find(world, server, minion).await,
        What::Allocate { .. } => address::find(world, &step.key).await,
        What::Flip { .. } => address::find_flip(world, &step.what).await,
        What::Retire { server, .. } => server::find_retired(world, server).await,
        What::Make { thing, .. } => thing::find(world, &step.key, thing).await,
        // A snapshot finds its half-made image by itself, and waits for it.
        What::Snapshot { .. }
        | What::Active { .. }
        | What::Announced { .. }
        | What::Compare { .. }
        | What::MasterKey { .. }
        | What::Tag { .. }
        | What::Ping { .. }
        | What::Grains { .. }
        | What::Highstate { .. }
        | What::Health { .. }
        | What::Soak { .. }
        | What::Release { .. }
        | What::Run { .. }
        | What::GiveBack { .. }
        | What::Generalize { .. }
        | What::Stop { .. }
        | What::Provenance { .. }
        | What::Remove { .. }
        | What::Forget { .. }
        // So does what is done to stacks.
        | What::Stack { .. }
        | What::Import { .. }
        // And what mounts a volume looks what is there before it changes anything.
        | What::Mount { .. }
        | What::Unmake { .. } => Ok(None),
    }
}

/// Does it, and checks that it is done. Says what it made.
pub(super) async fn apply(world: &mut World<'_>, step: &CloudStep) -> Result<Value> {
    let seconds = Duration::from_secs;
    match &step.what {
        What::Claim { server, role } => server::claim(world, server, role).await,
        What::Server { server, user_data } => {
            server::make(world, &step.key, server, user_data).await
        }
        What::Active { server, within } => {
            server::active(world, &step.key, server, seconds(*within)).await
        }
        What::Announced {
            server,
            minion,
            within,
        } => console::announced(world, &step.key, server, minion, seconds(*within)).await,
        What::Enrol {
            server,
            minion,
            within,
        } => enrol::enrol(world, server, minion, seconds(*within)).await,
        What::Compare {
            server,
            minion,
            accepted,
            within,
        } => {
            let key = (minion.as_str(), accepted.as_str());
            enrol::compare(world, server, key, seconds(*within)).await
        }
        What::MasterKey { server, within } => {
            console::master_key(world, &step.key, server, seconds(*within)).await
        }
        What::Tag { server, pairs } => server::tag(world, server, pairs).await,
        What::Accept {
            minion,
            announced,
            aside,
            within,
        } => keys::accept(world, minion, announced, aside.as_deref(), seconds(*within)).await,
        What::Ping { minion, within } => minion::ping(world, minion, seconds(*within)).await,
        What::Grains { minion, expect } => minion::grains(world, minion, expect).await,
        What::Highstate { minion, unchanged } => {
            minion::highstate(world, &step.key, minion, *unchanged).await
        }
        What::Health {
            minion,
            check,
            within,
        } => minion::health(world, minion, check, seconds(*within)).await,
        What::Run { minion, fun, args } => minion::run(world, minion, fun, args).await,
        What::Allocate { network } => address::allocate(world, &step.key, network).await,
        What::Flip { .. } => address::flip(world, &step.key, &step.what).await,
        What::GiveBack { allocated } => {
            let made = world.made.get(allocated).cloned();
            address::give_back(world, made.as_ref()).await?;
            Ok(Value::Null)
        }
        What::Generalize {
            server,
            minion,
            command,
            within,
        } => console::generalize(world, server, minion, command, seconds(*within)).await,
        What::Soak { seconds: time } => {
            tokio::time::sleep(seconds(*time)).await;
            Ok(Value::Null)
        }
        What::Retire { server, .. } => {
            server::retire(world, &step.key, server).await?;
            keys::sweep(world, None).await?;
            Ok(Value::Null)
        }
        What::Release { server } => server::release(world, server).await,
        What::Stop { server, within } => {
            server::stop(world, &step.key, server, seconds(*within)).await
        }
        What::Snapshot {
            server,
            name,
            properties,
            within,
        } => {
            image::snapshot(
                world,
                &step.key,
                server,
                (name, properties),
                seconds(*within),
            )
            .await
        }
        What::Provenance {
            image,
            properties,
            signer,
        } => image::provenance(world, image, properties, signer.as_ref()).await,
        What::Remove { server } => server::remove(world, server).await,
        What::Forget { minion, accepted } => keys::forget(world, minion, accepted).await,
        What::Make { thing, owner } => thing::make(world, &step.key, thing, owner).await,
        What::Mount {
            minion,
            volume,
            format,
            at,
        } => {
            let place = mount::Place {
                minion,
                volume,
                format: format.as_deref(),
                at,
            };
            mount::mount(world, &step.key, &place).await
        }
        What::Import { import, within } => {
            import::import(world, &step.key, import, seconds(*within)).await
        }
        What::Unmake { gone } => thing::remove(world, &step.key, gone).await,
        What::Stack { work, within } => {
            stack::apply(world, &step.key, work, seconds(*within)).await
        }
    }
}

/// Undoes it; `made` is what it made, as far as is known.
pub(super) async fn undo(
    world: &mut World<'_>,
    step: &CloudStep,
    made: Option<&Value>,
) -> Result<()> {
    match &step.what {
        What::Claim { server, .. } => server::unclaim(world, server).await,
        What::Server { .. } => {
            console::last_look(world, &step.key).await;
            server::unmake(world, made).await?;
            keys::sweep(world, Some(&step.key)).await
        }
        What::Accept { minion, aside, .. } => {
            keys::unaccept(world, minion, aside.as_deref(), made).await
        }
        What::Enrol { server, minion, .. } => enrol::undo(world, server, minion, made).await,
        What::Allocate { .. } => address::give_back(world, made).await,
        What::Flip { .. } => address::flip_back(world, &step.what, made).await,
        What::Snapshot { .. } | What::Import { .. } => image::unmake(world, &step.key, made).await,
        What::Make { thing, .. } => thing::undo(world, thing, made).await,
        What::Unmake { gone } => thing::restore(world, gone).await,
        What::Mount {
            minion,
            volume,
            format,
            at,
        } => {
            let place = mount::Place {
                minion,
                volume,
                format: format.as_deref(),
                at,
            };
            mount::unmount(world, &place, made).await
        }
        What::Stack { work, within } => {
            let within = Duration::from_secs(*within);
            stack::undo(world, &step.key, work, within).await
        }
        What::Active { .. }
        | What::Announced { .. }
        | What::Compare { .. }
        | What::MasterKey { .. }
        | What::Tag { .. }
        | What::Ping { .. }
        | What::Grains { .. }
        | What::Highstate { .. }
        | What::Health { .. }
        | What::Soak { .. }
        | What::Retire { .. }
        | What::Release { .. }
        | What::Run { .. }
        | What::GiveBack { .. }
        | What::Generalize { .. }
        | What::Stop { .. }
        | What::Provenance { .. }
        | What::Remove { .. }
        | What::Forget { .. } => Ok(()),
    }
}

/// Tells the progress of one step.
fn tell(world: &World<'_>, key: &str) -> impl FnMut(&str) {
    let progress = world.progress;
    move |word: &str| progress.at(key, word)
}

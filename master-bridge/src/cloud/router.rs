//! Routers (Neutron), and what is plugged into them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::Named;
use super::{Call, Client, Result, Service};

/// A router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Any words; the bridge notes its operations here.
    #[serde(default)]
    pub description: String,
    /// The external network that it leads to.
    #[serde(default)]
    pub external_gateway_info: Option<Value>,
}

impl Named for Router {
    const KIND: &'static str = "router";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Client {
    /// All routers.
    pub async fn routers(&self) -> Result<Vec<Router>> {
        self.list(Call::get(Service::Network, &["routers"]), "routers")
            .await
    }

    /// Makes a router; the body is Neutron's.
    pub async fn create_router(&self, body: Value) -> Result<Router> {
        self.ask(
            &Call::post(Service::Network, &["routers"], json!({"router": body})),
            "router",
        )
        .await
    }

    /// Removes a router, if it is there.
    pub async fn delete_router(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Network, &["routers", id]))
            .await
    }

    /// Plugs a subnet into a router.
    pub async fn plug_subnet(&self, router: &str, subnet: &str) -> Result<()> {
        let parts = ["routers", router, "add_router_interface"];
        let call = Call::put(Service::Network, &parts, json!({"subnet_id": subnet}));
        self.send(&call).await.map(drop)
    }

    /// Takes a subnet off a router, if it is on it.
    pub async fn unplug_subnet(&self, router: &str, subnet: &str) -> Result<bool> {
        let parts = ["routers", router, "remove_router_interface"];
        let call =
            Call::put(Service::Network, &parts, json!({"subnet_id": subnet})).wait_out_conflicts();
        self.remove(&call).await
    }
}

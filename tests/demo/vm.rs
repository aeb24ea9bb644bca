//! A stand-in for a VM: a directory as its root, our agent started from its user-data as cloud-init would.

use std::fs;

use harness::{Agent, Master};

/// What an operator passes to `openstack server create --user-data`.
const USER_DATA: &str = include_str!("../../cloud-init/baked-in.yaml");

/// One VM.
pub(crate) struct Vm {
    /// Its agent.
    pub(crate) agent: Agent,
    nonce: String,
}

impl Vm {
    /// Writes what user-data says and starts the agent.
    pub(crate) fn boot(name: &str, master: &Master) -> Self {
        let nonce = format!("boot-{name}-{}", std::process::id());
        let user_data = USER_DATA
            .replace("<MASTER>", &master.address.to_string())
            .replace("<FINGER>", &format!("'{}'", master.finger()))
            .replace("<NONCE>", &nonce)
            // The demo runs the highstate itself, to show it.
            .replace("startup_states: highstate", "startup_states: ''")
            // The machine that the demo runs on has a console of its own.
            .replace("console: /dev/console", "console: null");
        let mut agent = Agent::bare(name);
        let root = agent.dir().to_owned();
        let parsed = salt_yaml::load(&user_data).unwrap();
        let conf = parsed
            .get("salt_minion")
            .and_then(|block| block.get("conf"))
            .unwrap();
        let text = salt_yaml::dump(conf, &salt_yaml::DumpOptions::default()).unwrap();
        fs::write(root.join("etc/salt/minion.d/50-cloud-init.conf"), text).unwrap();
        fs::write(
            root.join("etc/salt/grains"),
            format!("demo_root: {}\n", root.display()),
        )
        .unwrap();
        agent.run();
        Self { agent, nonce }
    }

    /// The file that stands for the serial console.
    pub(crate) fn console(&self) -> std::path::PathBuf {
        self.agent.dir().join("agent.out")
    }

    /// The line by which the machine says who it is.
    pub(crate) fn console_line(&self) -> String {
        let log = self.agent.log();
        let line = log
            .lines()
            .rev()
            .find_map(|l| l.find("salt-agent: id=").map(|at| &l[at..]))
            .expect("the agent said who it is");
        assert!(line.contains(&self.nonce), "not this boot: {line}");
        line.to_owned()
    }

    /// The address of the master that it is with.
    pub(crate) fn master(&self) -> String {
        let status = self.agent.status();
        let masters = status["masters"].as_array().unwrap();
        assert_eq!(masters.len(), 1, "one master, not {masters:?}");
        let address = masters[0]["address"].as_str().unwrap();
        address.split(':').next().unwrap().to_owned()
    }

    /// What the highstate should have left.
    pub(crate) fn check_highstate(&self) {
        let root = self.agent.dir();
        let motd = fs::read_to_string(root.join("etc/motd")).unwrap();
        assert!(
            motd.contains(&self.agent.id) && motd.contains("the demo"),
            "{motd}"
        );
        let page = root.join("srv/www/index.html");
        assert_eq!(page.exists(), self.agent.id.starts_with("web"));
    }
}

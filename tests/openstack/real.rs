//! The bridge on real guests: QEMU runs them, OVN carries their packets, and this test is a client outside of the cloud.
//! Booted and proven by their serial consoles, flipped, replaced and imaged; the moment without an answer is measured by
//! the bridge and by the client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::{Api, Master, Release, until, until_some};
use serde_json::{Value, json};

use crate::bridge::Bridge;

/// Where `make test-openstack-real` has the kernel and the initrd, and the image with the agent in it.
const KERNEL: &str = "OPENSTACK_LAB_KERNEL";
const IMAGE: &str = "OPENSTACK_LAB_IMAGE";
/// The end of the outside network that is ours.
const OUTSIDE: &str = "198.51.100.1";
/// Where the guests' page is.
const PORT: u16 = 8080;
/// A boot without hardware help, on a machine that does other things as well, and what comes after it.
const LONG: Duration = Duration::from_secs(2400);
/// An emulated processor has no flaws and no timers that must be tried.
const COMMAND_LINE: &str = "root=/dev/vda console=ttyS0 net.ifnames=0 panic=-1 loglevel=4 mitigations=off nokaslr \
                            no_timer_check apparmor=0 audit=0 random.trust_cpu=on";
/// A page that says which machine it is; its files do not, so that a clone changes none. It runs when it listens, which
/// an emulated processor takes its time for.
const STATES: &str = r#"/usr/local/bin/web:
  file.managed:
    - mode: '0755'
    - contents: |
        #!/usr/bin/perl
        use IO::Socket::INET;
        my $door = IO::Socket::INET->new(LocalPort => 8080, Listen => 128, ReuseAddr => 1) or die;
        open(my $file, '<', '/etc/machine-id') or die;
        my $page = <$file>;
        while (1) {
            my $guest = $door->accept or next;
            sysread($guest, my $asked, 4096);
            print $guest "HTTP/1.0 200 OK\r\n\r\n$page";
        }
/etc/systemd/system/web.service:
  file.managed:
    - contents: |
        [Service]
        ExecStart=/usr/local/bin/web
        ExecStartPost=/bin/sh -c 'until grep -q :1F90 /proc/net/tcp; do sleep 0.2; done'
        [Install]
        WantedBy=multi-user.target
web:
  service.running:
    - enable: True
    - require: [{file: /usr/local/bin/web}, {file: /etc/systemd/system/web.service}]
"#;

/// A cloud, a master outside of it, and the bridge on the master.
struct World<'a> {
    bridge: Bridge<'a>,
    master: Master,
    start: Instant,
}

/// The whole story, told as it goes.
pub(crate) fn run(auth: &str, api: &Api) {
    let master = Master::of(Release::V3008)
        .at(&OUTSIDE.into())
        .file("srv/salt/top.sls", "base: {'*': [web]}\n")
        .file("srv/salt/web.sls", STATES)
        .start();
    let mut bridge = Bridge::of(auth, "demo", "lab", api);
    let config = master.config_dir().display().to_string();
    bridge.more = ["-c", &config, "-t", "30", "--gather-timeout", "15"]
        .map(str::to_owned)
        .into();
    bridge.limit = LONG;
    let world = World {
        bridge,
        master,
        start: Instant::now(),
    };
    let empty = world.bridge.census();
    let group = world.open();
    world.images();
    let ip = world.booted();
    world.given_a_volume();
    world.flipped(&ip);
    world.replaced(&ip);
    world.remove("app1");
    world.release(&ip);
    world.baked();
    for image in ["guest", "guest-initrd", "guest-kernel"] {
        world.forget_image(image);
    }
    for rule in group {
        let path = format!("/security-group-rules/{rule}");
        world.bridge.api.delete("network", &path).is(204);
    }
    assert_eq!(world.bridge.census(), empty, "nothing is left");
    assert!(world.master.keys("minions").is_empty());
    assert!(world.master.keys("minions_pre").is_empty());
}

/// The step of this key in an operation's report.
#[track_caller]
fn made<'a>(report: &'a Value, key: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    let found = steps.iter().find(|s| s["key"] == key);
    &found.unwrap_or_else(|| panic!("no step {key} in {report:#}"))["made"]
}

/// How long each step took.
fn times(report: &Value) -> String {
    let steps = report["steps"].as_array().unwrap().iter();
    let took = steps.filter_map(|s| {
        let seconds = s["seconds"].as_f64().filter(|s| *s >= 0.5)?;
        Some(format!("{} {seconds:.1}", s["key"].as_str()?))
    });
    took.collect::<Vec<_>>().join(", ")
}

impl World<'_> {
    fn say(&self, what: &str) {
        eprintln!("[{:5} s] {what}", self.start.elapsed().as_secs());
    }

    /// Lets the world reach the guests' page. The rules' ids.
    fn open(&self) -> Vec<String> {
        let api = self.bridge.api;
        let groups = api.get("network", "/security-groups?name=default").is(200);
        let group = &groups.body["security_groups"][0]["id"];
        let rule = json!({"security_group_rule": {"security_group_id": group, "direction": "ingress", "protocol": "tcp",
            "port_range_min": PORT, "port_range_max": PORT, "remote_ip_prefix": "0.0.0.0/0"}});
        let made = api.post("network", "/security-group-rules", &rule).is(201);
        let id = &made.body["security_group_rule"]["id"];
        vec![id.as_str().unwrap().to_owned()]
    }

    /// Brings kernel, initrd and disk in, as any image comes in.
    fn images(&self) {
        let path = |name: &str| {
            let found = std::env::var_os(name).map(PathBuf::from);
            found.unwrap_or_else(|| panic!("{name} is not set: make test-openstack-real"))
        };
        let import = |name: &str, file: PathBuf, more: &[&str]| -> String {
            let file = file.to_str().unwrap().to_owned();
            let words = ["image", "import", name, "--file", &file];
            let done = self.bridge.done(&[&words[..], more].concat());
            made(&done, "image")["id"].as_str().unwrap().to_owned()
        };
        let raw = ["--disk-format", "raw"];
        let kernel = import("guest-kernel", path(KERNEL).join("vmlinuz"), &raw);
        let initrd = import("guest-initrd", path(KERNEL).join("initrd"), &raw);
        let properties = [
            format!("kernel_id={kernel}"),
            format!("ramdisk_id={initrd}"),
            format!("os_command_line={COMMAND_LINE}"),
            "hw_rng_model=virtio".to_owned(),
        ];
        let properties = properties.iter().flat_map(|p| ["--property", p.as_str()]);
        let more: Vec<&str> = ["--min-disk", "2"].into_iter().chain(properties).collect();
        import("guest", path(IMAGE), &more);
        self.say("images imported");
    }

    /// A VM whose key was proven by what it printed on its serial port.
    fn boot(&self, name: &str, more: &[&str]) -> Value {
        let words = [
            "boot",
            name,
            "--image",
            "guest",
            "--flavor",
            "m1.small",
            "--network",
            "private",
            "--config-drive",
            "--grain",
            "level=real",
            "--expect-grain",
            "level=real",
            "--boot-within",
            "1200",
        ];
        let done = self.bridge.done(&[&words[..], more].concat());
        self.say(&format!("{name} booted: {}", times(&done)));
        done
    }

    fn booted(&self) -> String {
        let done = self.boot("app1", &["--floating-ip"]);
        assert_eq!(made(&done, "highstate")["states"], 3, "{done:#}");
        let proven = made(&done, "proof")["fingerprint"].as_str().unwrap();
        let console = self.bridge.done(&["server", "console", "app1"]);
        let console = console["output"].as_str().unwrap();
        assert!(
            console.contains(&format!("salt-agent: id=app1 fingerprint={proven} ")),
            "the serial port of a real guest: {console}"
        );
        assert_eq!(self.master.keys("minions"), ["app1"]);
        let ip = made(&done, "flip")["address"].as_str().unwrap().to_owned();
        let answers = self.machine("app1");
        until(60, "the page through the floating address", || {
            ask(&ip).as_deref() == Some(answers.as_str())
        });
        self.say(&format!("{ip} leads to app1's page"));
        ip
    }

    /// A new volume in its tree, formatted, and out of it again.
    fn given_a_volume(&self) {
        let create = [
            "volume", "create", "data", "--size", "1", "--attach", "app1",
        ];
        let place = ["--format", "ext4", "--mount", "/srv/data"];
        let done = self.bridge.done(&[&create[..], &place].concat());
        assert_eq!(made(&done, "mount")["file_system"], "ext4", "{done:#}");
        self.say(&format!("app1 has a volume: {}", times(&done)));
        let is = |command: &str| {
            let said = self.master.salt(&["app1", "cmd.run", command]);
            said["app1"].as_str().unwrap_or_default().to_owned()
        };
        let look =
            "mountpoint /srv/data && echo word >/srv/data/file && grep -c /srv/data /etc/fstab";
        assert!(is(look).ends_with("a mountpoint\n1"), "{}", is(look));
        self.bridge.done(&["ops", "rollback", "last"]);
        let look = is("mountpoint /srv/data; grep -c /srv/data /etc/fstab; ls /srv/data");
        assert!(look.ends_with("not a mountpoint\n0"), "{look}");
    }

    /// To another VM and back, by one update each; the client outside sees who answers.
    fn flipped(&self, ip: &str) {
        self.boot("app2", &[]);
        let (one, two) = (self.machine("app1"), self.machine("app2"));
        let client = Client::of(ip);
        client.until(&one);
        let probe = format!("http://{{ip}}:{PORT}/");
        let done = self
            .bridge
            .done(&["flip", ip, "--to", "app2", "--probe", &probe]);
        client.until(&two);
        self.bridge.done(&["ops", "rollback", "last"]);
        client.until(&one);
        self.told("flip", made(&done, "flip"), client);
        self.remove("app2");
    }

    /// The whole procedure, with a temporary address first. The old VM answers until the new one does.
    fn replaced(&self, ip: &str) {
        let old = self.machine("app1");
        let client = Client::of(ip);
        client.until(&old);
        let probe = format!("http://{{ip}}:{PORT}/");
        let words = [
            "replace",
            "app1",
            "--grain",
            "level=real",
            "--expect-grain",
            "level=real",
            "--boot-within",
            "1200",
            "--health",
            "service.status web",
            "--probe",
            &probe,
            "--test-ip",
            "--max-blackout",
            "60000",
            "--soak",
            "5",
        ];
        let done = self.bridge.done(&words);
        self.say(&format!("app1 replaced: {}", times(&done)));
        let new = self.machine("app1");
        assert_ne!(new, old, "another machine");
        client.until(&new);
        self.told("replace", made(&done, "flip"), client);
    }

    /// What the bridge measured, and what the client saw.
    fn told(&self, what: &str, flip: &Value, client: Client) {
        let seen = client.end();
        let blackout = flip["blackout_ms"].as_u64().unwrap();
        self.say(&format!(
            "{what}: the bridge measured a blackout of {blackout} ms; the client outside asked {} times, {} without an \
             answer, and the longest time between two answers was {} ms",
            seen.asked,
            seen.silent,
            seen.longest.as_millis()
        ));
        // A busy machine delays a page; a server that is gone is silent for minutes.
        assert!(seen.longest < Duration::from_secs(20), "{:?}", seen.longest);
    }

    /// A golden image, and a boot from it: another machine, for whom the highstate changes nothing.
    fn baked(&self) {
        let words = [
            "bake",
            "web",
            "--image",
            "guest",
            "--flavor",
            "m1.small",
            "--network",
            "private",
            "--config-drive",
            "--grain",
            "level=real",
            "--boot-within",
            "1200",
            "--proof-boot",
        ];
        let done = self.bridge.done(&words);
        self.say(&format!("web-1 baked: {}", times(&done)));
        assert_eq!(made(&done, "generalize")["clean"], true, "{done:#}");
        let keys =
            ["builder-proof", "clone-proof"].map(|key| made(&done, key)["fingerprint"].clone());
        assert_ne!(keys[0], keys[1], "the clone is another machine");
        let why = self.bridge.done(&["image", "why", "web-1"]);
        assert_eq!(why["content_is_as_made"], true, "{why:#}");
        let size = made(&done, "image")["size"].clone();
        self.say(&format!("web-1 has {size} bytes"));
        self.bridge.done(&["ops", "rollback", "last"]);
    }

    /// What a VM's page says, as its minion says it.
    fn machine(&self, name: &str) -> String {
        until_some(300, &format!("{name} to answer"), || {
            let said = self.master.salt(&[name, "cmd.run", "cat /etc/machine-id"]);
            let id = said[name].as_str()?.trim().to_owned();
            (id.len() == 32).then_some(id)
        })
    }

    /// Removes a VM and its key.
    fn remove(&self, name: &str) {
        let api = self.bridge.api;
        let shown = self.bridge.done(&["server", "show", name]);
        let path = format!("/servers/{}", shown["server"]["id"].as_str().unwrap());
        api.delete("compute", &path).is(204);
        until(180, &format!("{name} to be gone"), || {
            api.get("compute", &path).status == 404
        });
        self.bridge.done(&["keys", "delete", name]);
    }

    fn release(&self, ip: &str) {
        let api = self.bridge.api;
        let path = format!("/floatingips?floating_ip_address={ip}");
        let found = api.get("network", &path).is(200).body;
        let id = found["floatingips"][0]["id"].as_str().unwrap();
        api.delete("network", &format!("/floatingips/{id}")).is(204);
    }

    fn forget_image(&self, name: &str) {
        let shown = self.bridge.done(&["image", "show", name]);
        let id = shown["image"]["id"].as_str().unwrap();
        let api = self.bridge.api;
        api.delete("image", &format!("/images/{id}")).is(204);
    }
}

/// The page at an address.
fn ask(ip: &str) -> Option<String> {
    let second = Duration::from_secs(1);
    let address: SocketAddr = format!("{ip}:{PORT}").parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, second).ok()?;
    stream.set_read_timeout(Some(second)).unwrap();
    stream.set_write_timeout(Some(second)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, page) = text.split_once("\r\n\r\n")?;
    (head.starts_with("HTTP/1.0 200") && !page.is_empty()).then(|| page.trim().to_owned())
}

/// Somebody outside who asks for the page, ten times a second, whatever the bridge does.
struct Client {
    task: JoinHandle<Seen>,
    enough: Arc<AtomicBool>,
    last: Arc<std::sync::Mutex<String>>,
}

/// What such a client saw.
struct Seen {
    asked: u32,
    silent: u32,
    /// From an answered question to the next one.
    longest: Duration,
}

impl Client {
    fn of(ip: &str) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let last = Arc::new(std::sync::Mutex::new(String::new()));
        let (stop, says, ip) = (Arc::clone(&enough), Arc::clone(&last), ip.to_owned());
        let task = std::thread::spawn(move || {
            let mut seen = Seen {
                asked: 0,
                silent: 0,
                longest: Duration::ZERO,
            };
            let mut answered: Option<Instant> = None;
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                seen.asked += 1;
                match ask(&ip) {
                    Some(page) => {
                        if let Some(before) = answered.replace(asked) {
                            seen.longest = seen.longest.max(asked - before);
                        }
                        *says.lock().unwrap() = page;
                    }
                    None => seen.silent += 1,
                }
                std::thread::sleep(Duration::from_millis(100).saturating_sub(asked.elapsed()));
            }
            seen
        });
        Self { task, enough, last }
    }

    /// Waits until this page is what it gets.
    fn until(&self, page: &str) {
        until(60, "the client outside to get the page", || {
            *self.last.lock().unwrap() == page
        });
    }

    fn end(self) -> Seen {
        self.enough.store(true, Ordering::Relaxed);
        self.task.join().unwrap()
    }
}

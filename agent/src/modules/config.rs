//! `config`: options, wherever they are set: minion, grains, pillar, master.

use std::sync::{Arc, LazyLock};

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Result, merge, python};
use crate::fnmatch::fnmatch;
use crate::targeting::traverse_map;

/// The rows of `config`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "config.backup_mode",
        "backup=''",
        backup_mode,
        "Return the backup mode.",
        "salt '*' config.backup_mode"
    ),
    row!(
        "config.dot_vals",
        "value",
        dot_vals,
        "Return all options below ``value.``.",
        "salt '*' config.dot_vals host"
    ),
    row!(
        "config.get",
        "key, default='', delimiter=':', merge=None, omit_opts=False, omit_pillar=False, omit_master=False, omit_grains=False",
        get,
        "Return a value of the minion's configuration, its grains, its pillar or the master's configuration, in this order; ``:`` leads into maps. With ``merge`` (``recurse`` or ``overwrite``) they are put over one another first.",
        "salt '*' config.get pkg:apache\n    salt '*' config.get lxc.container_profile:centos merge=recurse"
    ),
    row!(
        "config.items",
        "",
        |ctx, _| Ok(ctx.opts().into()),
        "Return the whole configuration of this minion.",
        "salt '*' config.items"
    ),
    row!(
        "config.manage_mode",
        "mode",
        manage_mode,
        "Return a file mode as a text of four digits.",
        "salt '*' config.manage_mode 644"
    ),
    row!(
        "config.merge",
        "value, default='', omit_opts=False, omit_master=False, omit_pillar=False",
        merge_,
        "Return an option, merged from all places that set it.",
        "salt '*' config.merge schedule"
    ),
    row!(
        "config.option",
        "value, default=None, omit_opts=False, omit_grains=False, omit_pillar=False, omit_master=False, omit_all=False, wildcard=False",
        option,
        "Return an option by its full name, with built-in defaults behind all others. With ``wildcard`` the name is a glob and the answer a map.",
        "salt '*' config.option redis.host"
    ),
    row!(
        "config.valid_fileproto",
        "uri",
        valid_fileproto,
        "Whether an address has a scheme that files can be fetched with.",
        "salt '*' config.valid_fileproto salt://path/to/file"
    ),
];

/// Salt's built-in values for options that nobody sets.
fn defaults() -> Map {
    let texts = |list: &[&'static str]| Value::from(list.to_vec());
    map! {
        "mongo.db" => "salt", "mongo.password" => "", "mongo.port" => 27017, "mongo.user" => "",
        "redis.db" => "0", "redis.host" => "salt", "redis.port" => 6379,
        "test.foo" => "unconfigured",
        "ca.cert_base_path" => "/etc/pki",
        "solr.cores" => texts(&[]), "solr.host" => "localhost", "solr.port" => "8983",
        "solr.baseurl" => "/solr", "solr.type" => "master", "solr.request_timeout" => Value::Null,
        "solr.init_script" => "/etc/rc.d/solr",
        "solr.dih.import_options" => map! {
            "clean" => false, "optimize" => true, "commit" => true, "verbose" => false,
        },
        "solr.backup_path" => Value::Null, "solr.num_backups" => 1,
        "poudriere.config" => "/usr/local/etc/poudriere.conf",
        "poudriere.config_dir" => "/usr/local/etc/poudriere.d",
        "ldap.uri" => "", "ldap.server" => "localhost", "ldap.port" => "389", "ldap.tls" => false,
        "ldap.no_verify" => false, "ldap.anonymous" => true, "ldap.scope" => 2,
        "ldap.attrs" => Value::Null, "ldap.binddn" => "", "ldap.bindpw" => "",
        "hosts.file" => "/etc/hosts", "aliases.file" => "/etc/aliases",
        "virt" => map! {"tunnel" => false, "images" => "/srv/salt-images"},
        "docker.exec_driver" => "docker-exec",
        "docker.compare_container_networks" => map! {
            "static" => texts(&["Aliases", "Links", "IPAMConfig"]),
            "automatic" => texts(&["IPAddress", "Gateway", "GlobalIPv6Address", "IPv6Gateway"]),
        },
    }
}

/// The places that options come from.
struct Places<'a> {
    opts: Option<&'a Map>,
    grains: Option<Arc<Map>>,
    pillar: Option<Arc<Map>>,
    /// The pillar again, in which the master's options are.
    master: Option<Arc<Map>>,
}

static NOTHING: LazyLock<Map> = LazyLock::new(Map::new);

impl<'a> Places<'a> {
    /// Those that the `omit_*` arguments leave.
    fn of(ctx: &'a Context, args: &Args) -> Self {
        let all = args.flag("omit_all");
        let takes = |omit: &str| !all && !args.flag(omit);
        Self {
            opts: takes("omit_opts").then_some(&ctx.settings.opts),
            grains: takes("omit_grains").then(|| ctx.facts.grains()),
            pillar: takes("omit_pillar").then(|| ctx.facts.pillar()),
            master: takes("omit_master").then(|| ctx.facts.pillar()),
        }
    }

    fn opts(&self) -> &Map {
        self.opts.unwrap_or(&NOTHING)
    }

    fn grains(&self) -> &Map {
        self.grains.as_deref().unwrap_or(&NOTHING)
    }

    fn pillar(&self) -> &Map {
        self.pillar.as_deref().unwrap_or(&NOTHING)
    }

    fn master(&self) -> &Map {
        let options = self.master.as_ref().and_then(|pillar| pillar.get("master"));
        options.and_then(Value::as_map).unwrap_or(&NOTHING)
    }

    /// The first that has it.
    fn find(&self, look: impl Fn(&Map) -> Option<Value>) -> Option<Value> {
        let places = [self.opts(), self.grains(), self.pillar(), self.master()];
        let found = places.into_iter().find_map(&look);
        found.or_else(|| look(&defaults()))
    }
}

fn get(ctx: &Context, args: &Args) -> Result {
    let (key, delimiter) = (args.text("key")?, args.text("delimiter")?);
    let find = |map: &Map| traverse_map(map, &key, &delimiter).cloned();
    let found = match args.get("merge") {
        Value::Null => Places::of(ctx, args).find(find),
        strategy => {
            let mut data = defaults();
            // Of Salt only the `omit_*` of the plain search count: a merge takes everything.
            let all = Places::of(ctx, &Args::default());
            for place in [all.master(), all.pillar(), all.grains(), all.opts()] {
                if strategy.as_str() == Some("overwrite") {
                    merge::overwrite(&mut data, place);
                } else {
                    merge::recurse(&mut data, place, false);
                }
            }
            find(&data)
        }
    };
    Ok(found.unwrap_or_else(|| args.get("default").clone()))
}

fn option(ctx: &Context, args: &Args) -> Result {
    let places = Places::of(ctx, args);
    let wanted = args.text("value")?;
    let default = || match args.get("default") {
        Value::Null if args.flag("wildcard") => Value::Map(Map::new()),
        Value::Null => "".into(),
        default => default.clone(),
    };
    if !args.flag("wildcard") {
        let found = places.find(|map| map.get(wanted.as_str()).cloned());
        return Ok(found.unwrap_or_else(default));
    }
    let fits = |key: &Value| key.as_str().is_some_and(|k| fnmatch(k, &wanted));
    let mut found = Map::new();
    for place in [
        places.master(),
        places.pillar(),
        places.grains(),
        places.opts(),
    ] {
        let fitting = place.iter().filter(|(k, _)| fits(k));
        found.extend(fitting.map(|(k, v)| (k.clone(), v.clone())));
    }
    for (key, value) in defaults() {
        if fits(&key) {
            found.entry(key).or_insert(value);
        }
    }
    if found.is_empty() {
        return Ok(default());
    }
    Ok(found.into())
}

/// An option merged from the minion's configuration, the master's and the pillar (`config.merge`).
pub(crate) fn merged(ctx: &Context, args: &Args, wanted: &str) -> Option<Value> {
    let places = Places::of(ctx, args);
    let mut result: Option<Value> = None;
    for place in [places.opts(), places.master(), places.pillar()] {
        let Some(next) = place.get(wanted).cloned() else {
            continue;
        };
        result = Some(match (result, next) {
            (None | Some(Value::Null), next) => next,
            (Some(Value::Map(above)), Value::Map(mut below)) => {
                below.extend(above);
                Value::Map(below)
            }
            (Some(Value::List(mut first)), Value::List(second)) => {
                first.extend(second);
                Value::List(first)
            }
            (Some(first), _) => first,
        });
        if matches!(result, Some(Value::Str(_))) {
            return result;
        }
    }
    result
        .filter(|value| !value.is_null())
        .or_else(|| defaults().shift_remove(wanted))
}

fn merge_(ctx: &Context, args: &Args) -> Result {
    let found = merged(ctx, args, &args.text("value")?);
    Ok(found.unwrap_or_else(|| args.get("default").clone()))
}

fn dot_vals(ctx: &Context, args: &Args) -> Result {
    let prefix = format!("{}.", args.text("value")?);
    let places = Places::of(ctx, &Args::default());
    let mut found = Map::new();
    for place in [places.master(), places.opts()] {
        let fits = |key: &Value| key.as_str().is_some_and(|k| k.starts_with(&prefix));
        let fitting = place.iter().filter(|(k, _)| fits(k));
        found.extend(fitting.map(|(k, v)| (k.clone(), v.clone())));
    }
    Ok(found.into())
}

fn backup_mode(ctx: &Context, args: &Args) -> Result {
    if args.flag("backup") {
        return Ok(args.get("backup").clone());
    }
    let mode = ctx.settings.opts.get("backup_mode").cloned();
    Ok(mode.unwrap_or_else(|| "".into()))
}

fn manage_mode(_: &Context, args: &Args) -> Result {
    if args.get("mode").is_null() {
        return Ok(Value::Null);
    }
    let mode = python::text(args.get("mode")).replace("0o", "0");
    let digits = mode
        .trim_matches('"')
        .trim_matches('\'')
        .trim_start_matches('0');
    Ok(format!("{digits:0>4}").into())
}

fn valid_fileproto(_: &Context, args: &Args) -> Result {
    let uri = args.text("uri")?;
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let known = ["salt", "file", "http", "https", "ftp", "swift", "s3"];
    Ok(known.contains(&scheme.to_ascii_lowercase().as_str()).into())
}

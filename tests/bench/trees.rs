//! The states that are measured.

use std::fs;
use std::path::Path;

/// How many formulas are compiled, of four SLS files each.
pub(crate) const FORMULAS: usize = 40;

/// Files with their text in the state; each run makes them below the directory that its pillar names.
pub(crate) fn files(count: usize) -> String {
    format!(
        r#"{{% for i in range({count}) %}}
{{{{ pillar['into'] }}}}/f{{{{ i }}}}:
  file.managed:
    - makedirs: True
    - contents: "line {{{{ i }}}}"
{{% endfor %}}
"#
    )
}

/// The same from one template on the file server.
pub(crate) fn templated(count: usize) -> String {
    format!(
        r#"{{% for i in range({count}) %}}
{{{{ pillar['into'] }}}}/site{{{{ i }}}}.conf:
  file.managed:
    - makedirs: True
    - source: salt://site.conf.j2
    - template: jinja
    - context: {{name: site{{{{ i }}}}, port: {{{{ 8000 + i }}}}, aliases: [a{{{{ i }}}}, b{{{{ i }}}}]}}
{{% endfor %}}
"#
    )
}

/// What they are made from.
pub(crate) const TEMPLATE: &str = "\
# {{ name }} on {{ grains['id'] }}
<VirtualHost *:{{ port }}>
  ServerName {{ name }}.example.com
{%- for alias in aliases %}
  ServerAlias {{ alias }}
{%- endfor %}
</VirtualHost>
";

/// What most runs are: 300 states of several kinds, all of them already so the second time.
pub(crate) const MIXED: &str = r#"
{% set into = pillar['into'] %}
tools:
  pkg.installed:
    - pkgs: [bash, coreutils, tar, grep, sed]
root:
  user.present:
    - home: /root
    - require: [{pkg: tools}]
{% for i in range(40) %}
{{ into }}/d{{ i }}:
  file.directory:
    - makedirs: True
    - mode: '0755'
{% endfor %}
{% for i in range(200) %}
{{ into }}/d{{ i % 40 }}/f{{ i }}:
  file.managed:
    - contents: "value {{ i }}"
    - require: [{file: {{ into }}/d{{ i % 40 }}}]
{% endfor %}
{% for i in range(40) %}
{{ into }}/link{{ i }}:
  file.symlink:
    - target: {{ into }}/d{{ i }}/f{{ i }}
{% endfor %}
{% for i in range(18) %}
line {{ i }}:
  file.append:
    - name: {{ into }}/appended
    - text: "line {{ i }}"
{% endfor %}
"#;

/// A tree as formulas are written: a map file with defaults, and an SLS for each step that includes the one before.
pub(crate) fn formulas(root: &Path) {
    for i in 0..FORMULAS {
        let folder = root.join(format!("app{i}"));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        file(
            "defaults.yaml",
            format!(
                "app{i}:\n  user: app{i}\n  port: {}\n  plugins: [a, b, c]\n",
                9000 + i
            ),
        );
        file("map.jinja", MAP.replace("APP", &format!("app{i}")));
        file(
            "init.sls",
            "include:\n  - .service\n  - .config\n".to_owned(),
        );
        file("install.sls", INSTALL.replace("APP", &format!("app{i}")));
        file("config.sls", CONFIG.replace("APP", &format!("app{i}")));
        file("service.sls", SERVICE.replace("APP", &format!("app{i}")));
    }
    let all: String = (0..FORMULAS).map(|i| format!("    - app{i}\n")).collect();
    fs::write(root.join("top.sls"), format!("base:\n  '*':\n{all}")).unwrap();
}

const MAP: &str = "\
{% import_yaml 'APP/defaults.yaml' as defaults %}
{% set os_map = salt['grains.filter_by']({'Debian': {'package': 'APP-deb'}, 'RedHat': {'package': 'APP-rpm'}}, default='Debian') %}
{% do defaults['APP'].update(os_map) %}
{% set app = salt['pillar.get']('APP', default=defaults['APP'], merge=True) %}
";

const INSTALL: &str = "\
{% from 'APP/map.jinja' import app with context %}
APP-packages:
  pkg.installed:
    - name: {{ app.package }}
APP-user:
  user.present:
    - name: {{ app.user }}
    - system: True
    - require:
      - pkg: APP-packages
";

const CONFIG: &str = "\
{% from 'APP/map.jinja' import app with context %}
include:
  - .install
{% for plugin in app.plugins %}
/etc/APP/{{ plugin }}.conf:
  file.managed:
    - contents: |
        plugin = {{ plugin | upper }}
        port = {{ app.port }}
        owner = {{ app.user }}@{{ grains['id'] }}
    - makedirs: True
    - require:
      - user: APP-user
    - watch_in:
      - service: APP-service
{% endfor %}
";

const SERVICE: &str = "\
{% from 'APP/map.jinja' import app with context %}
include:
  - .install
APP-service:
  service.running:
    - name: APP
    - enable: {{ app.get('enabled', True) }}
    - require:
      - pkg: APP-packages
";

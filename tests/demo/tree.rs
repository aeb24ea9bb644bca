//! The state tree and pillar that both masters serve.

use harness::{Master, MasterBuilder};

const TOP: &str = "base:\n  '*': [motd]\n  'web*': [site]\n";

const MOTD: &str = "\
motd:
  file.managed:
    - name: {{ grains['demo_root'] }}/etc/motd
    - makedirs: True
    - mode: '0644'
    - contents: |
        {{ grains['id'] }} runs {{ grains['os'] }} and belongs to {{ pillar['owner'] }}
";

const SITE: &str = "\
{% set root = grains['demo_root'] ~ '/srv/www' %}
{{ root }}:
  file.directory:
    - makedirs: True

{% for page in pillar['pages'] %}
{{ root }}/{{ page }}.html:
  file.managed:
    - contents: '<h1>{{ page | upper }} on {{ grains.id }}</h1>'
    - require:
      - file: {{ root }}
{% endfor %}

reload:
  cmd.run:
    - name: echo reloaded
    - onchanges:
      - file: {{ root }}/index.html
";

/// Starts the master with the tree.
pub(crate) fn grow(master: MasterBuilder) -> Master {
    master
        .file("srv/salt/top.sls", TOP)
        .file("srv/salt/motd.sls", MOTD)
        .file("srv/salt/site.sls", SITE)
        .file("srv/pillar/top.sls", "base:\n  '*': [all]\n")
        .file(
            "srv/pillar/all.sls",
            "owner: the demo\npages: [index, about]\n",
        )
        .start()
}

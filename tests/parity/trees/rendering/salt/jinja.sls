{%- from 'map.jinja' import defaults, line with context %}
{%- import_yaml 'data.yaml' as y %}
{%- import_json 'data.json' as j %}
{%- import_text 'part.jinja' as t %}
{%- load_yaml as l %}
x: [1, 2]
{%- endload %}
{%- load_json as m %}
{"n": {{ l.x|json }}}
{%- endload %}
macros:
  test.nop:
    {{ line('user', defaults.user) }}
    {{ line('empty') }}
    - port: {{ defaults.opts.port }}
    - yaml: {{ y|yaml }}
    - json: {{ j|json }}
    - text: {{ t|yaml_encode }}
    - loaded: {{ m.n|sum }}
{%- for name, site in pillar.web.sites|dictsort %}
site {{ name }}:
  file.directory:
    - name: {{ site.root }}
    - number: {{ loop.index }}/{{ loop.length }}
{%- if loop.first %}
    - first: true
{%- endif %}
{%- endfor %}
names:
  test.nop:
    - sls: {{ sls }}
    - slspath: '{{ slspath }}'
    - tplroot: {{ tplroot|default('none') }}
    - tpldir: {{ tpldir }}
    - tplfile: {{ tplfile }}
    - env: {{ saltenv }}
    - sorted: {{ pillar.web.list|sort|join(',') }}
    - id: {{ grains.id }} {{ opts.id }} {{ salt['grains.get']('id') }}
    - get: {{ salt['pillar.get']('web:sites:a:root') }} {{ salt.pillar.get('no:thing', 'default') }}
    - merged: {{ salt['pillar.get']('web', {'extra': 1, 'sites': {'c': 2}}, merge=True)|json }}
    - filtered: {{ salt['grains.filter_by']({'default': {'a': 1}, 'x': {}}, grain='nothing', default='default', merge={'b': 2})|json }}
    - config: {{ salt['config.get']('web:port') }}
    - format: {{ '%s-%02d' % ('a', 5) }} {{ '{0}{1}'.format(1, 2) }}
    - quoted: {{ pillar.quoted|yaml_dquote }}
    - include: {% include 'part.jinja' %}
    - slsutil: {{ salt['slsutil.merge']({'a': {'b': 1}}, {'a': {'c': 2}})|json }}
    - boolstr: {{ salt['slsutil.boolstr'](true, 'y', 'n') }}
    - serialized: {{ salt['slsutil.serialize']('json', {'a': [1, none]}) }}
    - banner: {{ salt['slsutil.banner'](width=40, title='A title')|json }}
    - rendered: {{ salt['slsutil.renderer'](string='a: [1, {b: c}]')|json }}
    - query: {{ pillar|json_query('web.sites.*.root') }}
    - paths: {{ salt['file.dirname']('/a/b/c') }} {{ salt['file.basename']('/a/b') }} {{ salt['file.join']('/a', 'b', 'c') }}
    - found: {{ salt['slsutil.findup']('deep/er', 'map.jinja') }} {{ salt['slsutil.file_exists']('deep/er/init.sls') }}
{%- set over = {'a': {'b': 1}} %}
{%- do salt['defaults.merge'](over, {'a': {'c': 2}}) %}
{%- do salt['slsutil.update'](over, {'d': 4}) %}
    - changed: {{ over|json }}
    - pillar: {{ pillar|json }}

{% from './local.jinja' import x %}
{% from tpldir ~ '/local.jinja' import x as y %}
a: {test.nop: [{x: {{ x }}{{ y }}}, {dir: {{ tpldir }}}, {root: {{ tplroot|default('none') }}}, {path: {{ slspath }}}, {dot: {{ slsdotpath }}}, {file: {{ tplfile }}}]}

a: 1
{% for x in [1] %}
b: 2

a: 1
{% if %}
b: 2

{% for x in range(10**9) %}{{ x }}{% endfor %}

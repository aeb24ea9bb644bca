a: {{ 1|nofilter }}

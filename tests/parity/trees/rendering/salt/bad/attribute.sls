a: {{ pillar.web.nothing }}

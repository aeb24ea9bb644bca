a: {{ pillar.nothing.at.all }}
b: {{ grains.nothing }}

web: {{ grains.roles|json }}

show:
  test.nop:
    - pillar: {{ pillar|json }}
    - deep: {{ salt['pillar.get']('deep:y')|json }}
    - keys: {{ salt['pillar.keys']('deep')|json }}
    - item: {{ salt['pillar.item']('a')|json }}
    - listed: {{ salt['cp.list_states']('dev')|json }}
    - text: {{ salt['cp.get_file_str']('salt://x.txt?saltenv=dev')|json }}
    - env: {{ salt['cp.get_file_str']('salt://x.txt', saltenv='prod')|json }}
    - hash: {{ salt['cp.hash_file']('salt://x.txt', 'dev')|json }}
    - none: {{ salt['cp.cache_file']('salt://none')|json }}

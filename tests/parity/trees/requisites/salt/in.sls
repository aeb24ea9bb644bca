target: test.nop
first:
  test.nop:
    - require_in: [{test: target}]
second:
  test.nop:
    - require_in: target
third:
  test.nop:
    - watch_in: [{test: target}]
    - onchanges_in: [{test: target}]
    - onfail_in: [{test: first}]
fourth:
  test.nop:
    - prereq_in: [{test: target}]
    - listen_in: [{test: target}]
using:
  test.nop:
    - use: [{test: used}]
used:
  test.nop:
    - comment: shared
    - use_in: [{test: target}]

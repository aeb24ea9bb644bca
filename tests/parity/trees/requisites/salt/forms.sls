one:
  test.nop:
    - require:
      - test: two
      - three
two: test.nop
three:
  test.nop: []
  file.exists:
    - name: /etc/passwd
watching:
  service.running:
    - name: nothing
    - watch:
      - test: one
      - file: three
watching quietly:
  test.nop:
    - watch: [{test: two}]
    - watch_any: [{test: one}, {test: two}]
many:
  cmd.run:
    - name: 'true'
    - require: [{test: one}]
    - onchanges: [{test: two}]
    - onfail: [{test: one}]
    - prereq: [{test: after}]
    - listen: [{test: one}]
    - require_any: [{test: one}, {test: two}]
    - onchanges_any: [{test: one}, {test: two}]
    - onfail_any: [{test: one}, {test: two}]
    - onfail_all: [{test: one}, {test: two}]
after: test.nop
by name:
  test.nop:
    - name: another name
by its name:
  test.nop:
    - require: [{test: another name}]
globbed:
  test.nop:
    - require: [{test: 't*'}]
by sls:
  test.nop:
    - require: [{sls: names}]
include: [names]

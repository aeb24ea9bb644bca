alone: test.nop
lost:
  test.nop:
    - require: [{test: nowhere}, {file: /none}, bare]
    - watch: [{sls: none}]
lost changes: {test.nop: [{onchanges: [{test: nowhere}]}]}
lost failure: {test.nop: [{onfail: [{test: nowhere}]}]}
lost prereq: {test.nop: [{prereq: [{test: nowhere}]}]}
lost glob: {test.nop: [{require: [{test: 'zz*'}]}]}
after it: {test.nop: [{require: [{test: lost}]}]}

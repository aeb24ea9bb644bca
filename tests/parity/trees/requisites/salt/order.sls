last one: {test.nop: [{order: last}]}
first one: {test.nop: [{order: first}]}
minus one: {test.nop: [{order: -1}]}
minus five: {test.nop: [{order: -5}]}
number: {test.nop: [{order: 3}]}
great: {test.nop: [{order: 20000}]}
plain: test.nop
flags:
  test.nop:
    - failhard: true
    - parallel: true
    - retry: {attempts: 3, interval: 1}
    - unless: [ls /nothing, {fun: test.false}]
    - onlyif: 'true'
    - creates: [/a, /b]
    - check_cmd: ['true']
    - runas: root
    - umask: '022'
    - fire_event: a/b
    - reload_modules: true
    - aggregate: true
    - timeout: 5
    - state: other

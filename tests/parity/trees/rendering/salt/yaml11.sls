a:
  test.nop:
    - yes: on
    - n: 'off'
    - oct: 0777
    - oct8: 0o777
    - hex: 0x1F
    - sex: 1:30
    - under: 1_000
    - float: 1.5e3
    - date: 2020-01-02
    - time: 2020-01-02 03:04:05
    - none: ~
    - empty:
    - merge: {<<: {a: 1, b: 2}, b: 3}
    - anchor: &x [1, 2]
    - alias: *x
    - folded: >
        one
        two
    - binary: !!binary aGVsbG8=
    - str: !!str 12
    - version: 1.10
    - mode: 0644

several:
  file.managed:
    - names:
      - /tmp/a
      - /tmp/b: [{mode: '0600'}, {contents: x}]
      - /tmp/c:
        - source: salt://x
    - mode: '0644'
list of names:
  pkg.installed:
    - pkgs: [a, b: 1.0]
name is a list:
  test.nop:
    - name: [a, b]

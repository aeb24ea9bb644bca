a:
  test.nop:
    - x: {{ nowhere }}

a: !nothing x

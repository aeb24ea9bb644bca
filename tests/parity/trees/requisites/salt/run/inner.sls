in inner: test.fail_without_changes

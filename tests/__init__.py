"""The tests of calltransfer."""

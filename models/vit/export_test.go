package vit

// Share is Config.share, for the tests.
var Share = Config.share

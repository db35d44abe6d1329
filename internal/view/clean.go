package view

// Clean takes out of a text what a terminal would obey instead of showing, for those who print without a [View]: what is in an
// error may come from a guest.
func Clean(text string) string { return clean(text) }

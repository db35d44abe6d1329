package a // want: package a has no package comment

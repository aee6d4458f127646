module github.com/brimline/brimline/go/brimline

go 1.22

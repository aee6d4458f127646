module brimline.dev/bench/go

go 1.25

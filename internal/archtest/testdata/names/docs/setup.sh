apt-get update # fine
echo deb http://deb.debian.org/debian trixie main # want: the host of a package registry: deb.debian.org
go env -w GOPROXY=https://proxy.golang.org # want: the host of a package registry
curl https://example.org/debian
cd /work/main # want: a path of one machine
ls "/home/someone/src" # want: a path of one machine: "/home/someone/
ls /home/u/src # fine: too short for a person
ls /workshop/main

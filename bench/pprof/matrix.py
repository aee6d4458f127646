"""Compares every report and option with `go tool pprof`, byte for byte.

    python3 matrix.py "$(go tool -n pprof)" target/release/examples/pprof INPUTS

INPUTS holds the reference's test profiles; s1.pb.gz and s2.pb.gz in the current folder are made by

    go run . -samples 1500 -locations 300 -functions 80 -seed 5 -out s1.pb.gz
    go run . -samples 1500 -locations 300 -functions 80 -seed 6 -skew -out s2.pb.gz
"""
import subprocess,sys,os,itertools
G, R, D = sys.argv[1], sys.argv[2], sys.argv[3].rstrip('/') + '/'  # pprof of Go, this one, folder of inputs
env=dict(os.environ,TZ='UTC')
files=['s1.pb.gz',D+'heap.pb.gz',D+'cpu.pb.gz',D+'heap_tags.pb.gz',D+'heap_sizetags.pb.gz',D+'contention.pb.gz',D+'unknown.pb.gz',D+'long_name_funcs.pb.gz',D+'heap_request.pb.gz']
diffs=[['-base','s2.pb.gz','s1.pb.gz'],['-diff_base','s2.pb.gz','s1.pb.gz'],['-diff_base','s1.pb.gz','-normalize','s2.pb.gz'],['s1.pb.gz','s2.pb.gz'],['-base',D+'heap.pb.gz',D+'heap_tags.pb.gz']]
reps=['-top','-text','-tree','-traces','-tags','-raw','-comments','-callgrind','-peek=.*','-list=Method1|line','-peek=main|line1|Method2']
opts=[[],['-cum'],['-lines'],['-files'],['-filefunctions'],['-addresses'],['-noinlines'],['-lines','-showcolumns'],['-sample_index=0'],['-sample_index=1','-mean'],['-nodecount=10'],['-nodefraction=0.05','-edgefraction=0.02'],['-trim=false'],['-focus=Method1|line1|10'],['-ignore=Method1|line1'],['-hide=Method2|line2'],['-show=Method[1-4]|line'],['-show_from=Method3|line2'],['-prune_from=Method5|line1'],['-unit=auto'],['-unit=kB'],['-divide_by=3'],['-relative_percentages','-focus=Method[12]|line'],['-drop_negative'],['-call_tree'],['-tagroot=bytes'],['-tagleaf=bytes,key1'],['-tagfocus=1kb:'],['-tagfocus=:64kb','-tagignore=32b'],['-tagshow=bytes'],['-taghide=bytes'],['-trim_path=/go/src','-files'],['-compact_labels'],['-nodecount=5','-cum','-lines']]
n=bad=varied=0
def run(b,a):
    p=subprocess.run([b]+a,env=env,capture_output=True,timeout=60,stdin=subprocess.DEVNULL)
    return p.returncode,p.stdout,p.stderr
kinds={}
for src in [[f] for f in files]+diffs:
    for r in reps:
        for o in opts:
            a=['-symbolize=none',r]+o+src
            g=run(G,a[:]); m=run(R,a[:]); n+=1
            ok = (g[1]==m[1] and (g[0]!=0)==(m[0]!=0))
            # Go's order of equal entries changes from run to run: ours must be one of them.
            if not ok and any(run(G,a[:])[1]==m[1] for _ in range(40)): varied+=1; continue
            if not ok:
                bad+=1; kinds.setdefault((r,),[]).append(a)
                if bad<=int(os.environ.get('SHOW','6')):
                    print('DIFF',' '.join(a),g[0],m[0],g[2][-200:],m[2][-300:])
                    gl=g[1].decode('utf8','replace').split('\n'); ml=m[1].decode('utf8','replace').split('\n')
                    for i,(x,y) in enumerate(itertools.zip_longest(gl,ml)):
                        if x!=y: print(' line',i,'\n  go ',repr(x),'\n  me ',repr(y)); break
print(n,'cells',bad,'differ;',varied,'more are one of several answers that Go gives')
for k,v in kinds.items(): print(k,len(v), [' '.join(x[2:]) for x in v[:12]])

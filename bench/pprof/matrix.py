"""Compares every report and option with `go tool pprof`, byte for byte.

    python3 matrix.py "$(go tool -n pprof)" target/release/examples/pprof INPUTS

INPUTS holds the reference's test profiles; s1.pb.gz and s2.pb.gz in the current folder are made by

    go run . -samples 1500 -locations 300 -functions 80 -seed 5 -out s1.pb.gz
    go run . -samples 1500 -locations 300 -functions 80 -seed 6 -skew -out s2.pb.gz
    for i in 1 2 3 4; do go run . -strange -samples 300 -seed $i -out t$i.pb.gz; done

A fourth argument, a part of a source's name, keeps only the sources that have it.
"""
import subprocess,sys,os,itertools,re
G, R, D = sys.argv[1], sys.argv[2], sys.argv[3].rstrip('/') + '/'  # pprof of Go, this one, folder of inputs
env=dict(os.environ,TZ='UTC')
files=['s1.pb.gz','t1.pb.gz','t2.pb.gz','t3.pb.gz',D+'heap.pb.gz',D+'cpu.pb.gz',D+'heap_tags.pb.gz',D+'heap_sizetags.pb.gz',D+'contention.pb.gz',D+'unknown.pb.gz',D+'long_name_funcs.pb.gz',D+'heap_request.pb.gz']
diffs=[['-base','s2.pb.gz','s1.pb.gz'],['-diff_base','s2.pb.gz','s1.pb.gz'],['-diff_base','s1.pb.gz','-normalize','s2.pb.gz'],['s1.pb.gz','s2.pb.gz'],['-base',D+'heap.pb.gz',D+'heap_tags.pb.gz'],['-base','t4.pb.gz','t1.pb.gz'],['-diff_base','t4.pb.gz','t2.pb.gz'],['t1.pb.gz','t2.pb.gz','t3.pb.gz'],['s1.pb.gz','t1.pb.gz']]
reps=['-top','-text','-tree','-traces','-tags','-raw','-comments','-callgrind','-peek=.*','-list=Method1|line','-peek=main|line1|Method2']
opts=[[],['-cum'],['-lines'],['-files'],['-filefunctions'],['-addresses'],['-noinlines'],['-lines','-showcolumns'],['-sample_index=0'],['-sample_index=1','-mean'],['-nodecount=10'],['-nodefraction=0.05','-edgefraction=0.02'],['-trim=false'],['-focus=Method1|line1|10'],['-ignore=Method1|line1'],['-hide=Method2|line2'],['-show=Method[1-4]|line'],['-show_from=Method3|line2'],['-prune_from=Method5|line1'],['-unit=auto'],['-unit=kB'],['-divide_by=3'],['-relative_percentages','-focus=Method[12]|line'],['-drop_negative'],['-call_tree'],['-tagroot=bytes'],['-tagleaf=bytes,key1'],['-tagfocus=1kb:'],['-tagfocus=:64kb','-tagignore=32b'],['-tagshow=bytes'],['-taghide=bytes'],['-trim_path=/go/src','-files'],['-compact_labels'],['-nodecount=5','-cum','-lines'],['-focus=interface {}|Method1'],['-ignore=\\Qmain.(\\E|[[]'],['-hide=^\\w+$|\\bMethod\\B'],['-show_from=[^[:ascii:]]|Method[[:digit:]]']]
n=bad=varied=tied=0
def canonical(report,out):
    "The answer without the order of ties: sorted lines, callgrind with names for numbers and without numbers of equal nodes."
    lines=[line for line in out.decode('utf8','replace').split('\n') if line]
    if report!='-callgrind': return sorted(lines)
    names,entries={},[[]]
    for line in lines:
        m=re.match(r'(c?)(ob|fl|fn|fi|fe)=\((\d+)\)(?: (.*))?$',line)
        if m:
            kind=m[2].replace('fi','fl').replace('fe','fl')
            if m[4] is not None: names[kind,m[3]]=m[4]
            line=m[1]+m[2]+'='+re.sub(r' \[\d+/\d+\]$','',names[kind,m[3]])
        # Addresses are relative to the line before.
        if re.match(r'[+*-]|0x|\d',line): line=' '.join(['?']+line.split(' ')[1:])
        line=re.sub(r'^(calls=\d+) \S+',r'\1 ?',line)
        if line.startswith(('ob=','fl=','fn=','cob=','cfl=','cfn=')) and entries[-1] and not entries[-1][-1].startswith(('ob=','fl=','fn=','cob=','cfl=','cfn=')): entries.append([])
        entries[-1].append(line)
    return sorted(map(tuple,entries))
def run(b,a):
    p=subprocess.run([b]+a,env=env,capture_output=True,timeout=60,stdin=subprocess.DEVNULL)
    return p.returncode,p.stdout,p.stderr
kinds={}
only=sys.argv[4] if len(sys.argv)>4 else ''
for src in [s for s in [[f] for f in files]+diffs if any(only in f for f in s)]:
    for r in reps:
        for o in opts:
            a=['-symbolize=none',r]+o+src
            g=run(G,a[:]); m=run(R,a[:]); n+=1
            ok = (g[1]==m[1] and (g[0]!=0)==(m[0]!=0))
            # Go's order of equal entries changes from run to run: ours must be one of them.
            if not ok and canonical(r,g[1])==canonical(r,m[1]) and g[1]!=run(G,a[:])[1]: tied+=1; continue
            if not ok and any(run(G,a[:])[1]==m[1] for _ in range(12)): varied+=1; continue
            if not ok:
                bad+=1; kinds.setdefault((r,),[]).append(a)
                if bad<=int(os.environ.get('SHOW','6')):
                    print('DIFF',' '.join(a),g[0],m[0],g[2][-200:],m[2][-300:])
                    gl=g[1].decode('utf8','replace').split('\n'); ml=m[1].decode('utf8','replace').split('\n')
                    for i,(x,y) in enumerate(itertools.zip_longest(gl,ml)):
                        if x!=y: print(' line',i,'\n  go ',repr(x),'\n  me ',repr(y)); break
print(n,'cells',bad,'differ;',tied,'differ in the order of ties alone, which differs from run to run in Go too;',varied,'more are one of several answers that Go gives')
for k,v in kinds.items(): print(k,len(v), [' '.join(x[2:]) for x in v[:12]])

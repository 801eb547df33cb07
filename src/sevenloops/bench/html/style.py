"""How the page looks. The three passes have colours that colour-blind people tell apart, and shapes of their own."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fcfcfb; --card: #ffffff; --ink: #1c1f23; --soft: #5d6670; --line: #dfe3e7; --band: #f3f5f7;
  --win: #1a7f4b; --lose: #b3361b; --first: #0072b2; --second: #b35c00; --third: #7b3fa0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1b1f24; --ink: #e7eaee; --soft: #9aa5b1; --line: #323941; --band: #20262c;
    --win: #58c98b; --lose: #ff8f75; --first: #56b4e9; --second: #f0a04b; --third: #c99be8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 82rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.soft { color: var(--soft); }
.alert { border-left: 4px solid var(--lose); padding: .25rem .75rem; background: var(--band); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
.card b { display: block; font-size: 1.8rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.win { color: var(--win); } .lose { color: var(--lose); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0; font-size: .9rem; }
.legend svg { width: 14px; height: 14px; vertical-align: -2px; }
.plot { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); padding: .5rem .75rem; }
.plot svg { display: block; overflow: visible; }
.bar { display: grid; grid-template-columns: minmax(15rem, 20rem) 1fr; align-items: center; }
.bar:nth-child(even) { background: var(--band); }
.bar .label { font: .8rem/1.3 ui-monospace, "SF Mono", Menlo, Consolas, monospace; padding-right: .75rem; }
@media (max-width: 44rem) { .bar { grid-template-columns: 1fr; padding-top: .3rem; } .bar .label { padding: 0; } }
.first { fill: var(--first); stroke: var(--first); } .second { fill: var(--second); stroke: var(--second); }
.third { fill: var(--third); stroke: var(--third); } .hollow { fill: var(--card); stroke-width: 1.5; }
.grid { stroke: var(--line); } .even { stroke: var(--soft); stroke-width: 1.5; }
.plot text { fill: var(--soft); font-size: 11px; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .3rem .45rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; background: var(--band); }
.words { text-align: left; }
td.words.mono { font: .8rem ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
tr:last-child td { border-bottom: 0; }
small { color: var(--soft); display: block; font-size: .75rem; }
details { margin-top: 1rem; } summary { cursor: pointer; }
"""

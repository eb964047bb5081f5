"""The report's style: light and dark, wide and narrow, on paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b2330;--soft:#5b6675;--paper:#fff;--panel:#f4f6f9;--rule:#d9dee6;
--a:#1f6feb;--b:#b35900;--c:#8250df;--d:#c62828;--good:#1a7f37;--warning:#9a6700;--critical:#c62828}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--paper:#12161c;--panel:#1b212a;--rule:#323b47;
--a:#6cb0ff;--b:#f0a050;--c:#c4a1ff;--d:#ff7b72;--good:#56d364;--warning:#e3b341;--critical:#ff7b72}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.7rem;margin:0}h2{font-size:1.15rem;margin:0 0 8px}
h3{font-size:1rem;margin:20px 0 6px}header p,.note,.empty{color:var(--soft);margin:4px 0 12px}
code{word-break:break-all}
section{margin:28px 0}
.verdict{padding:14px 16px;background:var(--panel);border-left:6px solid var(--soft);border-radius:6px}
.verdict.good{border-color:var(--good)}.verdict.warning{border-color:var(--warning)}
.verdict.critical{border-color:var(--critical)}.level{white-space:nowrap}.level.good{color:var(--good)}
.level.warning{color:var(--warning)}.level.critical{color:var(--critical)}.valid{color:var(--good)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:10px}
.card{background:var(--panel);border-radius:6px;padding:10px 12px}
.card span{display:block;color:var(--soft);font-size:.85rem}
.card b{font-size:1.1rem;font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
th[scope=row]{font-weight:500}thead th{color:var(--soft);font-weight:500;white-space:nowrap}td{overflow-wrap:anywhere}
td.figure{white-space:nowrap}svg{width:100%;min-width:560px;height:auto;display:block;background:var(--panel);border-radius:6px}.grid{stroke:var(--rule);stroke-width:1}
.tick,.label{fill:var(--soft);font-size:12px}.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.a,.dot.a{stroke:var(--a)}.line.b,.dot.b{stroke:var(--b)}.line.c,.dot.c{stroke:var(--c)}.line.d,.dot.d{stroke:var(--d)}
.dot{fill:var(--panel)}.limit{stroke:var(--soft);stroke-dasharray:6 4}.limit.critical{stroke:var(--critical)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:6px 0 0;color:var(--soft)}
.key{display:inline-block;width:18px;height:3px;margin-right:6px;vertical-align:middle}
.key.a{background:var(--a)}.key.b{background:var(--b)}.key.c{background:var(--c)}.key.d{background:var(--d)}
.stages{display:flex;gap:2px;margin:10px 0;border-radius:6px;overflow:hidden}
.part{flex-basis:0;min-width:6px;padding:8px 6px;color:#fff;overflow:hidden;white-space:nowrap;font-size:.85rem}
.s0{background:#1f6feb}.s1{background:#6e40c9}.s2{background:#b35900}.s3{background:#4d5967}
@media print{body{background:#fff;color:#000}section{break-inside:avoid}}
"""

"""The report's style: light and dark, wide and narrow, on paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b2330;--soft:#566172;--paper:#fff;--panel:#f4f6f9;--rule:#d9dee6;--over:#fff;
--a:#1f6feb;--b:#b35900;--c:#8250df;--d:#c62828;--e:#4d5967;--good:#1a7f37;--warning:#8a5d00;--critical:#c62828}
@media screen and (prefers-color-scheme:dark){
:root{--ink:#e6eaf0;--soft:#a3aebc;--paper:#12161c;--panel:#1b212a;--rule:#323b47;
--over:#2a323d;--a:#6cb0ff;--b:#f0a050;--c:#c4a1ff;--d:#ff7b72;--e:#8b98a8;
--good:#56d364;--warning:#e3b341;--critical:#ff7b72}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1000px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.7rem;line-height:1.2;margin:0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:0 0 10px}
h3{font-size:1rem;margin:20px 0 6px}header p,.note,.empty{color:var(--soft);margin:4px 0 12px}
code{overflow-wrap:anywhere}section{margin:32px 0}header .short{font-size:1.05rem;color:var(--ink);margin:14px 0 0}
.verdict{padding:14px 16px;margin:16px 0;background:var(--panel);border-left:6px solid var(--soft);border-radius:6px}
.verdict h2:last-child{margin:0}.verdict p{margin:0}
.verdict.good{border-color:var(--good)}.verdict.warning{border-color:var(--warning)}
.verdict.critical{border-color:var(--critical)}.valid{color:var(--soft);margin:16px 0}
.findings{list-style:none;margin:0;padding:0}
.findings li{display:flex;gap:12px;padding:5px 0;border-top:1px solid var(--rule)}
.level{flex:0 0 6.2em;white-space:nowrap;font-weight:600}.level.good{color:var(--good)}
.level.warning{color:var(--warning)}.level.critical{color:var(--critical)}
.cards{display:grid;grid-template-columns:repeat(2,1fr);gap:10px;margin:0}
.cards.small{grid-template-columns:repeat(2,1fr)}
.card{background:var(--panel);border-radius:6px;padding:10px 12px}.card dt{color:var(--soft);font-size:.85rem}
.card dd{margin:0;font-size:1.15rem;font-weight:600;font-variant-numeric:tabular-nums}.small .card dd{font-size:1rem}
.card.bad dd{color:var(--critical)}
@media(min-width:640px){.cards{grid-template-columns:repeat(4,1fr)}.cards.small{grid-template-columns:repeat(8,1fr)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 32px}}
.pair section{margin-top:0;min-width:0}
.scroll{overflow-x:auto}.tall{max-height:18rem;overflow-y:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
th[scope=row]{font-weight:500}thead th{color:var(--soft);font-weight:500;white-space:nowrap}td{overflow-wrap:anywhere}
td.figure{white-space:nowrap}table.facts th{width:34%}
:focus-visible{outline:2px solid var(--a);outline-offset:2px;border-radius:3px}
.chart{margin:0;padding:10px 14px 12px;background:var(--panel);border-radius:6px}
.unit,.axis,.plot span{color:var(--soft);font-size:12px;line-height:1}
.axis{text-align:center;margin:30px 0 0 44px}.plot{position:relative;height:190px;margin:12px 8px 0 52px}
.plot svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.plot svg *{vector-effect:non-scaling-stroke}
.plot>.y{position:absolute;right:calc(100% + 8px);transform:translateY(-50%);white-space:nowrap}
.plot>.x{position:absolute;top:calc(100% + 8px);transform:translateX(-50%);white-space:nowrap}
.plot>.bound{position:absolute;right:0;padding:2px 4px;transform:translateY(calc(-100% - 2px));border-radius:4px;
background:color-mix(in srgb,var(--panel) 80%,transparent)}
.plot>.bound.critical{color:var(--critical)}
.grid{stroke:var(--rule)}.line{fill:none;stroke-width:2;stroke-linejoin:round}
.dot{fill:none;stroke-width:6;stroke-linecap:round}
.a{stroke:var(--a)}.b{stroke:var(--b)}.c{stroke:var(--c)}.d{stroke:var(--d)}
.limit{stroke:var(--soft);stroke-dasharray:6 4}.limit.critical{stroke:var(--critical)}
.moment{position:absolute;top:0;bottom:0}.moment:hover{background:color-mix(in srgb,var(--soft) 18%,transparent)}
.tip{display:none;position:absolute;z-index:1;top:6px;left:calc(100% + 4px);padding:8px 10px;background:var(--over);
border:1px solid var(--rule);border-radius:6px;white-space:nowrap;pointer-events:none}
.late .tip{left:auto;right:calc(100% + 4px)}.moment:hover .tip{display:grid;gap:6px}.tip b{color:var(--ink)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0 0;color:var(--soft)}
.key{display:inline-block;width:18px;height:3px;margin-right:6px;vertical-align:middle}
.key.a,.part.a{background:var(--a)}.key.b,.part.b{background:var(--b)}.key.c,.part.c{background:var(--c)}
.key.d{background:var(--d)}.key.e,.part.e{background:var(--e)}
details{margin-top:8px}summary{color:var(--soft);cursor:pointer;font-size:.9rem}
.stages{display:flex;gap:2px;height:26px;margin:10px 0;border-radius:6px;overflow:hidden}
.part{flex-basis:0;min-width:3px}
@media print{:root{color-scheme:light}body{background:#fff;color:#000}
section{break-inside:avoid}details,.moment{display:none}
.key,.part{print-color-adjust:exact}}
"""

# run_load_test.ps1 [light|medium|heavy|stress|custom|all] [more options of `python -m project.load upload`]
# $env:API_URL: the upload endpoint; $env:AUTH_TOKEN: a bearer token;
# custom: $env:BATCH_SIZE, $env:CONCURRENCY, $env:DURATION (minutes).
param(
    [ValidateSet("light", "medium", "heavy", "stress", "custom", "all")]
    [string]$Preset = "light",
    [Parameter(ValueFromRemainingArguments = $true)]
    [string[]]$More = @()
)
$root = Split-Path -Parent $PSScriptRoot
$python = Join-Path $root ".venv\Scripts\python.exe"
if (-not (Test-Path $python)) { $python = "python" }
$url = if ($env:API_URL) { $env:API_URL } else { "http://localhost:5001/clients/upload/process/" }
$before = $env:PYTHONPATH
$env:PYTHONPATH = if ($before) { $root + [IO.Path]::PathSeparator + $before } else { $root }
$presets = if ($Preset -eq "all") { @("light", "medium", "heavy", "stress") } else { @($Preset) }
$worst = 0
foreach ($name in $presets) {
    & $python -m project.load upload --preset $name --name $name --url $url `
        --output load_test_results/reports --flat load_test_results @More
    if ($LASTEXITCODE -gt $worst) { $worst = $LASTEXITCODE }
    # Refused, Ctrl+C, SIGTERM: the others would be refused as well, or are not wanted.
    if ($LASTEXITCODE -in 6, 130, 143) { break }
}
$env:PYTHONPATH = $before
exit $worst

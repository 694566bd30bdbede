# Runs wingman for this lifecycle event on Windows. appspec.yml names this file.
$dir = $PSScriptRoot
while (-not (Test-Path (Join-Path $dir 'appspec.yml')) -and (Split-Path $dir)) { $dir = Split-Path $dir }
$settings = if ($env:WINGMAN_CONFIG) { $env:WINGMAN_CONFIG } else { "$env:ProgramData\wingman\host.yml" }
$off = Join-Path (Split-Path $settings) 'disabled'
$bin = if ($env:WINGMAN_BIN) { $env:WINGMAN_BIN } else { (Get-Command wingman -ErrorAction SilentlyContinue).Source }
$why = if ($env:WINGMAN_DISABLED -eq '1') { 'WINGMAN_DISABLED=1 is set' } elseif (Test-Path $off) { "$off is there" } elseif (-not $bin) { 'there is no wingman in PATH' }
if (-not $why) { & $bin hook --revision $dir; exit $LASTEXITCODE }
[Console]::Error.WriteLine("WINGMAN DID NOT RUN in $($env:LIFECYCLE_EVENT): $why")
# One original instance that fails a traffic event fails the whole deployment; ApplicationStop's script is the old revision's.
if ($env:LIFECYCLE_EVENT -like '*Traffic' -or $env:LIFECYCLE_EVENT -eq 'ApplicationStop') { exit 0 } else { exit 1 }

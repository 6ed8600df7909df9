#!/usr/bin/env bash
# Holds the dashboards to Grafana's own types: deploy/grafana/check_types.sh FOLDER. Needs node and npm.
set -euo pipefail
work=$(realpath -m "${1:?name a folder for the packages}")
dashboards=$(realpath "$(dirname "$0")/dashboards")
mkdir -p "$work"
cd "$work"
[ -d node_modules/@grafana/schema ] || npm install --silent --no-audit --no-fund --ignore-scripts typescript@5 @grafana/schema@11

# Grafana's string enums do not take literals: Plain turns each into the texts that it stands for.
cat >plain.ts <<'TS'
export type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer U)[]
      ? Plain<U>[]
      : { [K in keyof T]: Plain<T[K]> };
TS
for file in "$dashboards"/*.json; do
    page=$(basename "$file" .json)
    {
        echo "import type { Dashboard } from '@grafana/schema';"
        echo "import type { Plain } from './plain.js';"
        echo "export const page: Plain<Dashboard> ="
        cat "$file"
        echo ";"
    } >"$page.ts"
done
npx tsc --noEmit --strict --skipLibCheck --module nodenext --moduleResolution nodenext ./*.ts
echo "$(ls "$dashboards" | wc -l) dashboards are what @grafana/schema says"

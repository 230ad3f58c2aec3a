/**
 * Tool names that MiniCPM5 learned and uses in place of the ones that it is offered, as vLLM maps them. Arguments are
 * carried over under the names of the tool that exists.
 */
import type { PythonDict, PythonValue } from "../src/contracts/python-json.ts";

type Call = { name: string; arguments: PythonDict };
type Entry = readonly [key: string, value: PythonValue | undefined];

export function withoutAlias(call: Call, offered: ReadonlySet<string>): Call {
  return offered.has(call.name) ? call : (renamed(call, (name) => offered.has(name)) ?? call);
}

function renamed({ name, arguments: values }: Call, isOffered: (name: string) => boolean): Call | undefined {
  const either = (...keys: string[]) => firstTruthy(values, keys);
  const line = () => either("line_id", "id");
  const to = (target: string, required: PythonValue | undefined, ...entries: Entry[]) =>
    isOffered(target) && required !== undefined && required !== null ? callOf(target, entries) : undefined;
  switch (name) {
    case "get_details_by_phone": {
      const phone = either("phone_number", "phone");
      return to("get_customer_by_phone", phone, ["phone_number", phone]);
    }
    case "get_details_by_name": {
      const full = either("full_name", "name");
      const born = either("date_of_birth", "dob");
      return to(
        "get_customer_by_name",
        full ?? born,
        ["full_name", full],
        ["date_of_birth", born],
        ["dob", born],
      );
    }
    case "get_line_details":
    case "get_line_status":
    case "get_roaming_status":
      return to("get_details_by_id", line(), ["id", line()]);
    case "get_plan_details": {
      const plan = either("plan_id", "id");
      return to("get_details_by_id", plan, ["id", plan]);
    }
    case "enable_roaming":
    case "disable_roaming":
      return to("toggle_roaming", line(), ["line_id", line()], ["enabled", name === "enable_roaming"]);
    case "add_refueled_data":
    case "add_data_to_line": {
      const amount = either("amount_gb", "gb", "gb_amount", "amount");
      const customer = values.get("customer_id");
      const anything = values.has("customer_id") ? "" : (line() ?? amount);
      const call = to("refuel_data", anything, ["line_id", line()], ["amount_gb", amount]);
      if (call === undefined || customer === undefined) return call;
      return { ...call, arguments: new Map([["customer_id", customer], ...call.arguments]) };
    }
    default:
      return undefined;
  }
}

/** Python's `a or b`: the first that is neither empty nor zero, else the last. */
function firstTruthy(values: PythonDict, keys: readonly string[]): PythonValue | undefined {
  const found = keys.map((key) => values.get(key));
  return found.find(isTruthy) ?? found.at(-1);
}

function isTruthy(value: PythonValue | undefined): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value instanceof Map ? value.size > 0 : Boolean(value);
}

/** Without the entries that have no value. */
function callOf(name: string, entries: readonly Entry[]): Call {
  const values: PythonDict = new Map();
  for (const [key, value] of entries) if (value !== undefined && value !== null) values.set(key, value);
  return { name, arguments: values };
}

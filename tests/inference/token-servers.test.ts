import { describeTokenServer } from "../support/token-server-contract.ts";
import { tokenWires } from "../support/token-wires.ts";

for (const wire of tokenWires) describeTokenServer(wire);

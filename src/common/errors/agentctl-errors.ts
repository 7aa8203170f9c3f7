import { defineErrors } from './define';

export const agentctlErrors = defineErrors({});

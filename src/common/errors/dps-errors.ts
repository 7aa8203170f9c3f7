import { defineErrors } from './define';

export const dpsErrors = defineErrors({});

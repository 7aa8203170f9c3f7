import { defineErrors } from './define';

export const configErrors = defineErrors({});

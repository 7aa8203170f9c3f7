import { defineErrors } from './define';

export const provisionErrors = defineErrors({});

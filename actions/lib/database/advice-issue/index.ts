export {
  type AdviceIssue,
  adviceLabel,
  adviceMarker,
  isAdviceFor,
  listAdviceIssues,
  readAdviceIssue,
} from './issue.ts';
export { choiceLabel, chosenBy, syncChoiceLabels } from './labels.ts';
